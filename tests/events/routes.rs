//! Where the routes send uploads.

use obscura::{
    config::stream::{Originals, RouteConfig, RouteMatch, StoreConfig, StoreUrl},
    error::ErrorCode,
    event::{Location, OutputName, PROBES, Revision, Routed, Router, Service, UploadEvent, dead_letter_key},
};

use crate::config::{config, object, open_router, outcome, route, store};

fn matching(text: &str, value: &str) -> RouteMatch {
    let value = Some(value.to_owned());
    match text {
        "store" => RouteMatch { store: value, ..RouteMatch::default() },
        "prefix" => RouteMatch { prefix: value, ..RouteMatch::default() },
        "tenant" => RouteMatch { tenant: value, ..RouteMatch::default() },
        _ => RouteMatch { project: value, ..RouteMatch::default() },
    }
}

fn of(tenant: &str, event: UploadEvent) -> UploadEvent {
    UploadEvent { tenant: Some(tenant.into()), ..event }
}

fn from_url() -> UploadEvent {
    UploadEvent::at(Location::Url("https://photos.example.com/cars/a.jpg?s=1".into()))
}

#[test]
fn nothing_is_processed_without_a_route() {
    let router = Router::new(&config(Vec::new()));
    assert_eq!(outcome(&router, object("uploads", "a.jpg")), "no_route");
    assert_eq!(outcome(&router, from_url()), "no_route");
    assert_eq!(outcome(&open_router(), object("unknown", "a.jpg")), "source_refused");
}

#[test]
fn the_first_route_that_matches_decides() {
    let router = Router::new(&config(vec![
        route("cars", matching("prefix", "cars/")),
        route("azure", matching("store", "azure")),
        RouteConfig { tenant: Some("other".into()), ..route("other", matching("tenant", "other")) },
        route("in", matching("store", "in")),
    ]));
    assert_eq!(outcome(&router, object("uploads", "cars/a.jpg")), "redact cars");
    assert_eq!(outcome(&router, object("photos", "cars/a.jpg")), "redact cars");
    assert_eq!(outcome(&router, object("photos", "bikes/a.jpg")), "redact azure");
    assert_eq!(outcome(&router, of("other", object("uploads", "a.jpg"))), "redact other");
    assert_eq!(outcome(&router, object("uploads", "a.jpg")), "redact in");
    assert_eq!(outcome(&router, object("pictures", "a.jpg")), "no_route");
    // A path of a URL is no key, and a URL lies in no store.
    assert_eq!(outcome(&router, from_url()), "no_route");
}

#[test]
fn a_tenant_cannot_take_another_ones_photo() {
    let open = RouteConfig { tenant: None, project: None, ..route("open", RouteMatch::default()) };
    let router = Router::new(&config(vec![route("acme", matching("store", "in")), open]));
    assert_eq!(outcome(&router, of("acme", object("uploads", "a.jpg"))), "redact acme");
    assert_eq!(outcome(&router, of("thief", object("uploads", "a.jpg"))), "no_route");
    let project = UploadEvent { project: Some("else".into()), ..object("uploads", "a.jpg") };
    assert_eq!(outcome(&router, project), "no_route");
    // Where the route leaves it open, the event says it; where neither does, nobody does.
    let both = UploadEvent { project: Some("p".into()), ..of("t", object("photos", "a.jpg")) };
    assert_eq!(outcome(&router, both), "redact open");
    assert_eq!(outcome(&router, of("t", object("photos", "a.jpg"))), "no_route");
}

#[test]
fn a_refusal_tells_the_owner_where_it_is_known() {
    let router = open_router();
    let event = UploadEvent { project: Some("p".into()), ..of("t", object("uploads", "../a")) };
    assert!(matches!(router.route(event), Routed::Refuse { owner: Some(owner), .. } if owner.tenant == "t"));
    assert!(matches!(router.route(object("uploads", "../a")), Routed::Refuse { owner: None, .. }));
    let url = UploadEvent::at(Location::Url("https://evil.example/a".into()));
    match router.route(url) {
        Routed::Refuse { error, owner: Some(owner) } => {
            assert_eq!((error.code, owner.tenant.as_str()), (ErrorCode::SourceRefused, "acme"));
            assert!(!error.to_string().contains("evil"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_source_is_told_in_the_configurations_words() {
    let cases = [
        (object("uploads", "a"), "in", Service::S3, "uploads"),
        (object("in", "a"), "in", Service::S3, "uploads"),
        (object("photos", "a"), "azure", Service::Azure { account: "acmephotos".into() }, "photos"),
        (object("pictures", "a"), "gcs", Service::Gcs, "pictures"),
        (object("folder", "a"), "folder", Service::Any, "folder"),
    ];
    for (event, store, service, bucket) in cases {
        let Routed::Redact(request) = open_router().route(event) else { panic!("{store}") };
        assert_eq!(request.source.store.as_deref(), Some(store));
        let expected = Location::Object { service, bucket: bucket.into(), key: "a".into() };
        assert!(request.source.location == expected, "{store}");
    }
    let Routed::Redact(request) = open_router().route(from_url()) else { panic!("a URL") };
    assert_eq!(request.source.store, None);
}

#[test]
fn a_bucket_of_another_service_is_another_bucket() {
    let at = |service| UploadEvent::at(Location::Object { service, bucket: "uploads".into(), key: "a".into() });
    assert_eq!(outcome(&open_router(), at(Service::S3)), "redact all");
    assert_eq!(outcome(&open_router(), at(Service::Gcs)), "source_refused");
    let other = Service::Azure { account: "others".into() };
    let event = UploadEvent::at(Location::Object { service: other, bucket: "photos".into(), key: "a".into() });
    assert_eq!(outcome(&open_router(), event), "source_refused");
}

#[test]
fn one_bucket_at_two_places_is_ambiguous_unless_the_store_is_named() {
    let mut config = config(vec![route("all", RouteMatch::default())]);
    let twin = store("twin", StoreUrl::S3 { bucket: "uploads".into() });
    config.stores.push(StoreConfig { endpoint: Some("https://s3.example.com".into()), ..twin.clone() });
    assert_eq!(outcome(&Router::new(&config), object("uploads", "a")), "source_refused");
    assert_eq!(outcome(&Router::new(&config), object("twin", "a")), "redact all");
    // The same place with other credentials is not.
    config.stores.pop();
    config.stores.push(twin);
    assert_eq!(outcome(&Router::new(&config), object("uploads", "a")), "redact all");
}

#[test]
fn other_regions_photos_are_sent_on_or_refused() {
    let region = |region: &str, event| UploadEvent { region: Some(region.into()), ..event };
    let mut config = config(vec![route("all", RouteMatch::default())]);
    let router = Router::new(&config);
    assert_eq!(outcome(&router, region("eu", object("uploads", "a"))), "redact all");
    // A bucket that only the other region knows.
    assert_eq!(outcome(&router, region("us", object("uploads-us", "a"))), "forward uploads-us");
    assert_eq!(outcome(&router, region("ap", object("uploads-ap", "a"))), "region_mismatch");
    // Event against route and store: nobody may have it.
    assert_eq!(outcome(&router, region("us", object("uploads", "a"))), "region_mismatch");
    assert_eq!(outcome(&router, region("us", from_url())), "region_mismatch");
    let again = UploadEvent { forwarded: true, ..region("us", object("uploads-us", "a")) };
    assert_eq!(outcome(&router, again), "region_mismatch");
    let cloud = |name: &str| UploadEvent { cloud_region: Some(name.into()), ..object("uploads", "a") };
    assert_eq!(outcome(&router, cloud("eu-central-1")), "redact all");
    assert_eq!(outcome(&router, cloud("us-east-1")), "region_mismatch");
    // Route and store agree on another region, whatever the event says.
    config.routes[0].region = "us".into();
    assert_eq!(outcome(&Router::new(&config), object("uploads", "a")), "region_mismatch", "the store is here");
    config.stores[0].region = "us".into();
    assert_eq!(outcome(&Router::new(&config), object("uploads", "a")), "forward uploads-us");
    assert_eq!(outcome(&Router::new(&config), region("us", object("uploads", "a"))), "forward uploads-us");
    assert_eq!(outcome(&Router::new(&config), region("eu", object("uploads", "a"))), "region_mismatch");
    config.routes.clear();
    assert_eq!(outcome(&Router::new(&config), region("eu", object("uploads", "a"))), "region_mismatch");
}

#[test]
fn folder_markers_are_ignored() {
    let sized = |size_bytes, key| UploadEvent { size_bytes, ..object("uploads", key) };
    assert_eq!(outcome(&open_router(), sized(Some(0), "a/")), "ignore folder_marker");
    assert_eq!(outcome(&open_router(), sized(Some(7), "a/")), "source_refused");
    assert_eq!(outcome(&open_router(), sized(None, "a/")), "source_refused");
    assert_eq!(outcome(&open_router(), sized(Some(0), "a.jpg")), "redact all");
}

#[test]
fn own_outputs_are_ignored_where_source_and_destination_are_one() {
    let vault = Originals::Move { vault: "in".into(), prefix: "vault".into() };
    for prefix in ["", "redacted", "deep/er"] {
        let all = RouteConfig {
            destination: "in".into(),
            prefix: prefix.into(),
            originals: vault.clone(),
            ..route("all", RouteMatch::default())
        };
        let mut config = config(vec![all]);
        config.region_store = "in".into();
        let router = Router::new(&config);
        let Routed::Redact(request) = router.route(object("uploads", "a.JPEG")) else { panic!("an upload") };
        let name = OutputName::new(&request, &Revision::Etag("e".into()));
        let id = "8b9949a9bf658c91683fc5f9e4fabff3";
        let own = [
            name.key(),
            name.key().trim_end_matches(".jpg").to_owned(),
            name.receipt_key(&"a".repeat(64)),
            name.original_key("vault"),
            dead_letter_key(prefix, Some(&request.owner), id),
            dead_letter_key("", Some(&request.owner), id),
            dead_letter_key(prefix, None, id),
            format!("{PROBES}/probe-1"),
        ];
        for key in &own {
            assert_eq!(outcome(&router, object("uploads", key)), "ignore own_output", "{key}");
            // Elsewhere the same name is nobody's.
            assert_eq!(outcome(&router, object("photos", key)), "redact all", "{key}");
        }
        // Photos that only look a little like it are photos.
        for key in [format!("x/{}", name.key()), format!("{}.png.jpg", name.key()), name.key().to_uppercase()] {
            assert_eq!(outcome(&router, object("uploads", &key)), "redact all", "{key}");
        }
    }
}
