//! Which signed URLs are fetched.

use obscura::event::{HostRule, UrlPolicy};
use proptest::{prelude::*, proptest};

fn policy(hosts: &[&str]) -> UrlPolicy {
    UrlPolicy::new(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
}

#[test]
fn hosts_are_matched_whole() {
    let policy = policy(&[
        "photos.example.com",
        "other.example.com:8443",
        "*.bucket.example.org",
        "52.95.110.7",
        "[2606:4700::7]:8443",
    ]);
    for url in [
        "https://photos.example.com/a?b=c",
        "https://PHOTOS.example.com:443/a",
        "https://other.example.com:8443/",
        "https://eu.bucket.example.org/a",
        "https://a.b.bucket.example.org/a",
        "https://52.95.110.7/a",
        "https://[2606:4700::7]:8443/a",
    ] {
        assert!(policy.check(url).is_ok(), "{url}");
    }
    for url in [
        "",
        "https://",
        "https:///photos.example.com/",
        "https:photos.example.com/",
        "https:/photos.example.com/",
        " https://photos.example.com/",
        "http://photos.example.com/",
        "ftp://photos.example.com/",
        "https://photos.example.com:8443/",
        "https://photos.example.com./",
        "https://xphotos.example.com/",
        "https://photos.example.com.evil/",
        "https://evil/photos.example.com",
        "https://other.example.com/",
        "https://bucket.example.org/",
        "https://.bucket.example.org/",
        "https://xbucket.example.org/",
        "https://user@photos.example.com/",
        "https://:pw@photos.example.com/",
        "https://@photos.example.com/",
        "https://evil?@photos.example.com/",
        "https://evil#@photos.example.com/",
        "https://photos.example.com/a#b",
        "https://evil\\@photos.example.com/",
        "https://photos.example.com\\evil/",
        "https://photos.example.com/\n",
        "https://pho\ttos.example.com/",
        "https://photos.example.com/ä",
        "https://photoſ.example.com/",
        "https://%70hotos.example.com/",
        "https://52.95.110.8/",
        "https://52.95.110.7:8443/",
        "https://[2606:4700::7]/",
        "https://[::ffff:52.95.110.7]/",
        "https://127.0.0.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://localhost/",
    ] {
        assert!(policy.check(url).is_err(), "{url}");
    }
    assert!(policy.check(&format!("https://photos.example.com/{}", "a".repeat(10_000))).is_err());
    assert!(UrlPolicy::default().check("https://photos.example.com/").is_err(), "none is allowed unless listed");
}

#[test]
fn entries_of_the_list_are_hosts() {
    for host in ["a", "a.b", "a:1", "*.a.b", "*.a.b:8443", "8.8.8.8", "[2606:4700::1111]:8443", "a_b.example"] {
        assert!(HostRule::parse(host).is_ok(), "{host}");
    }
    for host in [
        "",
        "*",
        "*.",
        "*.com",
        "*a.b",
        "a*.b",
        "a.*.b",
        "https://a",
        "a/b",
        "a b",
        "a@b",
        "a:port",
        "a:99999",
        "a.b.",
        "*.10.0.0.1",
        "10.0.0.1",
        "127.0.0.1:8443",
        "[::1]:8443",
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "0.0.0.0",
        "224.0.0.1",
        "ä.example",
    ] {
        assert!(HostRule::parse(host).is_err(), "{host}");
    }
}

proptest! {
    /// Whatever is allowed names exactly a listed host, as the client that fetches reads it.
    #[test]
    fn nothing_else_is_ever_allowed(
        scheme in "(https|HTTPS|http|ftp)?:?[/\\\\]{0,3}",
        before in "[a-z@:#?%.\\\\/\\t ]{0,6}",
        after in "[a-z@:#?%.\\\\/0-9]{0,8}",
    ) {
        let policy = policy(&["photos.example.com", "*.example.org"]);
        for host in ["photos.example.com", "a.example.org"] {
            let text = format!("{scheme}{before}{host}{after}");
            if let Ok(url) = policy.check(&text) {
                let read = url.host_str().unwrap_or_default();
                prop_assert!(read == "photos.example.com" || read.ends_with(".example.org"), "{}", text);
                prop_assert!(url.scheme() == "https" && url.port().is_none() && url.username().is_empty());
            }
        }
    }
}
