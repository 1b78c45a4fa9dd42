//! Credentials that are fetched, renewed and rotated.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU16, Ordering},
    },
};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use obscura::{
    config::stream::{Credentials, Secret, StoreConfig, StoreUrl},
    error::ErrorCode,
};

use crate::{
    MAX_BYTES, assert_tells_nothing, config,
    fake::{Fake, Seen, answer},
    open, photo, s3,
    support::servers::{
        moto::Moto,
        s3::{Keys, S3Server},
    },
};

const EXTERNAL_ID: &str = "their-choice";

/// A token service that gives the keys of the S3 server out, for so many seconds.
async fn token_service(lasts_s: Arc<AtomicI64>, status: Arc<AtomicU16>) -> Fake {
    let Keys { access_key, secret_key } = Keys::default();
    Fake::start(move |seen: &Seen| {
        let status = status.load(Ordering::SeqCst);
        if status != 200 {
            return answer(status, &[], "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
        }
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&seen.body).into_owned().collect();
        let action = &form.iter().find(|(name, _)| name == "Action").unwrap().1;
        let ends = (Utc::now() + TimeDelta::seconds(lasts_s.load(Ordering::SeqCst))).to_rfc3339();
        answer(
            200,
            &[("content-type", "text/xml")],
            format!(
                "<{action}Response><{action}Result><Credentials><AccessKeyId>{access_key}</AccessKeyId>\
                 <SecretAccessKey>{secret_key}</SecretAccessKey><SessionToken>token</SessionToken>\
                 <Expiration>{ends}</Expiration></Credentials></{action}Result></{action}Response>"
            ),
        )
    })
    .await
}

fn form(seen: &Seen) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&seen.body).into_owned().collect()
}

fn has(form: &[(String, String)], name: &str, value: &str) -> bool {
    form.iter().any(|(n, v)| n == name && v == value)
}

#[tokio::test]
async fn a_role_is_asked_for_with_the_external_id_and_renewed_in_time() {
    let server = S3Server::new();
    server.create_bucket("theirs");
    let (lasts_s, status) = (Arc::new(AtomicI64::new(3600)), Arc::new(AtomicU16::new(200)));
    let sts = token_service(Arc::clone(&lasts_s), Arc::clone(&status)).await;
    let base = s3("theirs", server.endpoint(), "OURKEY", "our-secret");
    let config = StoreConfig {
        credentials: Credentials::AssumeRole {
            role_arn: "arn:aws:iam::123456789012:role/obscura".to_owned(),
            external_id: Some(Secret::Value(EXTERNAL_ID.into())),
            sts_endpoint: Some(sts.url("/")),
            base: Box::new(base.credentials.clone()),
        },
        ..base
    };
    let set = open(&[config]).await.unwrap();
    let store = set.get("theirs").unwrap();
    store.put("a.jpg", Bytes::from_static(b"theirs")).await.unwrap();
    assert_eq!(store.fetch(&photo("theirs", "a.jpg"), MAX_BYTES).await.unwrap().bytes, "theirs");
    let seen = sts.seen();
    assert_eq!(seen.len(), 1, "keys are kept");
    let asked = form(&seen[0]);
    assert!(has(&asked, "Action", "AssumeRole") && has(&asked, "ExternalId", EXTERNAL_ID), "{asked:?}");
    let signature = seen[0].headers["authorization"].to_str().unwrap();
    assert!(signature.contains("Credential=OURKEY/") && signature.contains("/sts/aws4_request"), "{signature}");
    // They are used on every request, with their token.
    let used = server.access_log();
    assert!(
        used.iter()
            .filter(|access| !access.key.is_empty())
            .all(|access| access.headers["x-amz-security-token"] == "token")
    );
}

#[tokio::test]
async fn a_token_service_that_fails_costs_no_photo() {
    let server = S3Server::new();
    server.create_bucket("theirs");
    // Almost over from the first moment on: renewed at each request.
    let (lasts_s, status) = (Arc::new(AtomicI64::new(200)), Arc::new(AtomicU16::new(200)));
    let sts = token_service(Arc::clone(&lasts_s), Arc::clone(&status)).await;
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "first.token").unwrap();
    let config = StoreConfig {
        credentials: Credentials::WebIdentity {
            role_arn: "arn:aws:iam::123456789012:role/obscura".to_owned(),
            token_file: token.path().to_owned(),
            sts_endpoint: Some(sts.url("/")),
        },
        ..s3("theirs", server.endpoint(), "", "")
    };
    let set = open(&[config]).await.unwrap();
    let store = set.get("theirs").unwrap();
    store.put("a.jpg", Bytes::from_static(b"theirs")).await.unwrap();
    fs::write(token.path(), "second.token\n").unwrap();
    let fetch = || async { store.fetch(&photo("theirs", "a.jpg"), MAX_BYTES).await };
    fetch().await.unwrap();
    let seen = sts.seen();
    assert!(has(&form(&seen[0]), "WebIdentityToken", "first.token"));
    assert!(has(&form(seen.last().unwrap()), "WebIdentityToken", "second.token"), "the file is read again");
    assert!(seen.iter().all(|seen| seen.path_and_query == "/" && !seen.headers.contains_key("authorization")));

    status.store(403, Ordering::SeqCst);
    fetch().await.unwrap();
    status.store(200, Ordering::SeqCst);
    lasts_s.store(-1, Ordering::SeqCst);
    // Keys that are over already are used once and not kept; then there are none.
    fetch().await.unwrap();
    for failing in [403, 500, 301] {
        status.store(failing, Ordering::SeqCst);
        let error = fetch().await.unwrap_err();
        assert!(error.is_transient(), "the credentials' fault is not the photo's: {error}");
        assert_tells_nothing(&error, &["second.token", "arn:aws", "a.jpg"]);
    }
}

#[tokio::test]
async fn rotated_keys_count_at_once() {
    let server = S3Server::new();
    server.create_bucket("photos");
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = (folder.path().join("id"), folder.path().join("secret"));
    let Keys { access_key, secret_key } = Keys::default();
    let write = |key: &str, value: &str| {
        fs::write(&id, format!("{key}\n")).unwrap();
        fs::write(&secret, format!("{value}\n")).unwrap();
    };
    write(&access_key, &secret_key);
    let config = StoreConfig {
        credentials: Credentials::Keys {
            access_key_id: Secret::File(id.clone()),
            secret_access_key: Secret::File(secret.clone()),
            session_token: None,
        },
        ..s3("photos", server.endpoint(), "", "")
    };
    let set = open(&[config]).await.unwrap();
    let store = set.get("photos").unwrap();
    store.put("a.jpg", Bytes::from_static(b"photo")).await.unwrap();
    for (key, value) in [("OTHERKEY", secret_key.as_str()), (access_key.as_str(), "wrong"), ("", ""), ("ä\n", "x y")] {
        write(key, value);
        let error = store.fetch(&photo("photos", "a.jpg"), MAX_BYTES).await.unwrap_err();
        // Some servers hide what is wrong with a key in the answer to a HEAD.
        assert!(error.is_transient() || error.code == ErrorCode::SourceMissing, "{error}");
        assert_tells_nothing(&error, &["OTHERKEY", "wrong", "a.jpg"]);
        write(&access_key, &secret_key);
        assert_eq!(store.fetch(&photo("photos", "a.jpg"), MAX_BYTES).await.unwrap().bytes, "photo");
    }
    fs::remove_file(&secret).unwrap();
    assert!(store.put("b.jpg", Bytes::from_static(b"photo")).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_real_token_service_is_understood() {
    let server = Moto::start();
    server.create_bucket("theirs", "eu-central-1");
    let base = s3("theirs", server.endpoint(), "any", "any");
    let config = StoreConfig {
        cloud_region: Some("eu-central-1".to_owned()),
        credentials: Credentials::AssumeRole {
            role_arn: "arn:aws:iam::123456789012:role/obscura".to_owned(),
            external_id: Some(Secret::Value(EXTERNAL_ID.into())),
            sts_endpoint: Some(server.endpoint()),
            base: Box::new(base.credentials.clone()),
        },
        ..base
    };
    let set = open(&[config]).await.unwrap();
    assert!(set.get("theirs").unwrap().probe().await);
}

#[tokio::test]
async fn every_kind_of_credentials_of_azure_and_google_is_sent_as_it_should_be() {
    let server = Fake::start(|seen: &Seen| {
        let code = if seen.path_and_query.starts_with("/c/") { "BlobNotFound" } else { "NoSuchKey" };
        if seen.path_and_query.ends_with("/oauth2/v2.0/token") {
            return answer(
                200,
                &[("content-type", "application/json")],
                r#"{"access_token": "federated", "expires_in": 3600}"#,
            );
        }
        if seen.path_and_query.starts_with("/storage/v1/b/photos") {
            return answer(200, &[], r#"{"location": "EUROPE-WEST3"}"#);
        }
        answer(404, &[("x-ms-error-code", code)], format!("<Error><Code>{code}</Code></Error>"))
    })
    .await;
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "kubernetes.token").unwrap();
    let value = |text: &str| Secret::Value(text.into());
    let azure = |credentials| StoreConfig {
        endpoint: Some(server.url("")),
        credentials,
        ..config("c", StoreUrl::Azure { account: "account".to_owned(), container: "c".to_owned() })
    };
    let google = |credentials, cloud_region: Option<&str>| StoreConfig {
        endpoint: Some(server.url("")),
        credentials,
        cloud_region: cloud_region.map(str::to_owned),
        ..config("photos", StoreUrl::Gcs { bucket: "photos".to_owned() })
    };
    let federated = Credentials::AzureFederated {
        tenant_id: "tenant".to_owned(),
        client_id: "client".to_owned(),
        token_file: token.path().to_owned(),
        authority: Some(server.url("")),
    };
    let last = || server.seen().pop().unwrap();
    let authorization = |seen: &Seen| seen.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());

    open(&[azure(Credentials::AccountKey(value("c2VjcmV0")))]).await.unwrap();
    assert!(authorization(&last()).unwrap().starts_with("SharedKey account:"));
    open(&[azure(Credentials::Bearer(value("bearer")))]).await.unwrap();
    assert_eq!(authorization(&last()).unwrap(), "Bearer bearer");
    open(&[azure(Credentials::SasToken(value("?sv=2024-11-04&sig=a%2Fb%3D")))]).await.unwrap();
    assert!(last().path_and_query.contains("sv=2024-11-04&sig=a%2Fb%3D") && authorization(&last()).is_none());
    open(&[azure(federated)]).await.unwrap();
    assert_eq!(authorization(&last()).unwrap(), "Bearer federated");
    open(&[azure(Credentials::None)]).await.unwrap();
    assert!(authorization(&last()).is_none());

    open(&[google(Credentials::Bearer(value("bearer")), Some("europe-west3"))]).await.unwrap();
    assert_eq!(authorization(&last()).unwrap(), "Bearer bearer");
    assert_eq!(last().path_and_query, "/storage/v1/b/photos?fields=location");
    let error = open(&[google(Credentials::Bearer(value("bearer")), Some("us-east1"))]).await.unwrap_err();
    assert!(error.message.contains("`us-east1`") && error.message.contains("`EUROPE-WEST3`"), "{error}");
    open(&[google(Credentials::None, None)]).await.unwrap();
    assert!(authorization(&last()).is_none());

    let error = open(&[google(Credentials::ServiceAccount(token.path().to_owned()), None)]).await.unwrap_err();
    assert!(error.message.contains("service account") && !error.message.contains("kubernetes"), "{error}");
    for wrong in
        [azure(Credentials::ServiceAccount(token.path().to_owned())), google(Credentials::AccountKey(value("x")), None)]
    {
        assert!(open(&[wrong]).await.unwrap_err().message.contains("another's"));
    }
}
