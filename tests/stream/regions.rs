//! Two regions, events crossed on purpose: not a byte is fetched across.

use std::collections::BTreeMap;

use crate::{
    support::{
        servers::s3::{S3Options, S3Server},
        worker::Worker,
    },
    world::{Faces, World, s3_event},
};

/// A store of the region `us`, on a server of its own, and a route to it.
fn other_region(world: &World, s3: &S3Server) -> String {
    let here = world.s3.endpoint();
    let store =
        |bucket: &str| world.store(bucket, "us").replace(&here, &s3.endpoint()).replace("eu-central-1", "us-east-1");
    format!(
        "{}{}[[routes]]\nname = \"us\"\nstore = \"uploads-us\"\ntenant = \"acme\"\nproject = \"street\"\n\
         destination = \"redacted-us\"\n",
        store("uploads-us"),
        store("redacted-us"),
    )
}

#[test]
fn an_event_of_another_region_is_forwarded_and_nothing_of_it_is_fetched() {
    let (mut eu, mut us, faces) = (World::new(1), World::new(1), Faces::new());
    let s3 = S3Server::with(S3Options { region: "us-east-1".to_owned(), ..S3Options::default() });
    s3.create_bucket("uploads-us");
    s3.create_bucket("redacted-us");
    let us_routes = other_region(&eu, &s3);
    eu.more = us_routes.clone();
    us.more = us_routes;
    let eu_config = eu.config().replace("[kafka]", &format!("forward = {{ us = \"{}\" }}\n\n[kafka]", us.uploads));
    let us_config =
        us.config().replace("name = \"eu\"\nstore = \"redacted\"", "name = \"us\"\nstore = \"redacted-us\"");
    let start = |world: &World, config: &str| {
        let command = world.command(0, &[]);
        std::fs::write(world.dir.path().join("obscura.toml"), config).unwrap();
        Worker::spawn(command, world.dir.path(), "worker-0")
    };
    let eu_worker = start(&eu, &eu_config);
    let us_worker = start(&us, &us_config);
    let photo = faces.photo(7);
    s3.put("uploads-us", "crossed.png", &photo);
    let etag = {
        use object_store::ObjectStoreExt;
        let head = s3.store("uploads-us");
        crate::support::servers::wait(head.head(&"crossed.png".into())).unwrap().e_tag.unwrap()
    };
    s3.clear_access_log();
    // Told in the wrong region; and one the other way, which has no topic to go to.
    let mut crossed = s3_event("uploads-us", "crossed.png", photo.len(), etag.trim_matches('"'));
    crossed["Records"][0]["awsRegion"] = "us-east-1".into();
    eu.send("crossed.png", &crossed);
    let here = eu.put("stays.png", &photo);
    eu.s3.clear_access_log();
    us.send("stays.png", &here);
    let outcomes = us.wait_for_outcomes(1);
    assert_eq!(outcomes["crossed.png"]["data"]["region"], "us");
    let letters = us.wait_for_dead_letters(1);
    assert_eq!(letters[0]["code"], "region_mismatch");
    eu.wait_until_committed();
    eu_worker.stop();
    us_worker.stop();
    // The worker of the US alone used the store of the US; nobody asked the store of the EU for the photo.
    assert_eq!(eu.outcomes(), BTreeMap::new());
    let asked = |access: &crate::support::servers::s3_service::Access| {
        access.bucket == "uploads" && access.method == "GET" && access.key.contains("stays")
    };
    assert!(!eu.s3.access_log().iter().any(asked), "the photo of the EU was fetched");
    let fetched = s3.access_log().iter().filter(|access| access.method == "GET" && access.key == "crossed.png").count();
    assert_eq!(fetched, 1, "fetched by one worker, once");
}

#[test]
fn a_bucket_that_lies_elsewhere_is_fatal_at_the_start() {
    let options = S3Options {
        bucket_regions: BTreeMap::from([("redacted".to_owned(), "us-west-2".to_owned())]),
        ..S3Options::default()
    };
    let world = World::with(crate::support::servers::kafka::Kafka::shared(), 1, options);
    let mut worker = world.start(0);
    assert_eq!(worker.wait().code(), Some(2), "{}", worker.log_text());
    let log = worker.log_text();
    assert!(log.contains("us-west-2") && log.contains("eu-central-1") && log.contains("hint"), "{log}");
}
