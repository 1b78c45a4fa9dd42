//! What is looked at before work starts: that a store is there, lets this worker in, and lies where it should.

use hyper::{Method, StatusCode};
use object_store::path::Path;
use serde_json::Value;

use super::{
    http::text,
    open::{Kind, fatal},
    region_store::{OWN_PREFIX, RegionStore, random},
    trouble::Trouble,
    wire::{About, Account, Answer, Wire},
};
use crate::{config::stream::StoreConfig, error::FatalError};

impl RegionStore {
    pub(super) async fn check_at_start(&self, config: &StoreConfig) -> Result<(), FatalError> {
        let Some(wire) = &self.0.wire else { return Ok(()) };
        match self.0.kind {
            Kind::S3 { is_amazon } => s3(config, wire, is_amazon).await,
            Kind::Gcs { .. } => {
                reads(config, wire).await?;
                google_location(config, wire).await
            }
            _ => reads(config, wire).await,
        }
    }
}

/// HEAD of the bucket at the configured endpoint. Amazon tells the region even to those whom it refuses.
async fn s3(config: &StoreConfig, wire: &Wire, is_amazon: bool) -> Result<(), FatalError> {
    let answer = wire.ask(Method::HEAD, About::Bucket, &[], &[]).await.map_err(|trouble| unreached(config, trouble))?;
    let told = text(&answer.headers, "x-amz-bucket-region");
    match (&config.cloud_region, told) {
        (Some(expected), Some(found)) if expected != found => return Err(elsewhere(config, expected, found)),
        (Some(_), None) if answer.status.is_success() && is_amazon => {
            let hint = "check that nothing between this worker and the store removes `x-amz-bucket-region`";
            return Err(fatal(config, "expected the store to tell the bucket's region, it did not", hint));
        }
        (Some(_), None) if answer.status.is_success() => {
            tracing::warn!(
                store = config.name,
                "the store does not tell its bucket's region; the configuration is believed"
            );
        }
        _ => {}
    }
    if answer.status.is_redirection() {
        let hint = "set `cloud_region` and `endpoint` to those of the bucket";
        return Err(fatal(config, "the bucket is not at this endpoint", hint));
    }
    let hint = "give this worker `s3:ListBucket` on the bucket: without it a missing object looks like a refused one";
    judged(config, &answer, answer.status == StatusCode::NOT_FOUND, hint)
}

/// Ask for an object that is not there. What is answered tells whether the bucket is.
async fn reads(config: &StoreConfig, wire: &Wire) -> Result<(), FatalError> {
    let key = Path::from(format!("{OWN_PREFIX}start-{}", random()));
    let answer = wire.ask(Method::GET, About::Object(&key), &[], &[]).await;
    let answer = answer.map_err(|trouble| unreached(config, trouble))?;
    let is_missing = matches!(answer.code.as_deref(), Some("NoSuchBucket" | "ContainerNotFound" | "ResourceNotFound"))
        || String::from_utf8_lossy(&answer.body).contains("specified bucket does not exist");
    if answer.status == StatusCode::NOT_FOUND && !is_missing {
        return Ok(());
    }
    let hint = match wire.account {
        Account::Azure { .. } => "give this worker the role `Storage Blob Data Contributor` on the container",
        _ => "give this worker the role `Storage Object User` on the bucket",
    };
    judged(config, &answer, is_missing, hint)
}

async fn google_location(config: &StoreConfig, wire: &Wire) -> Result<(), FatalError> {
    let Some(expected) = &config.cloud_region else { return Ok(()) };
    let answer = wire.ask(Method::GET, About::Record, &[("fields", "location")], &[]).await;
    let answer = answer.map_err(|trouble| unreached(config, trouble))?;
    let hint =
        "give this worker `storage.buckets.get`, by which the bucket's location is checked, or remove `cloud_region`";
    judged(config, &answer, answer.status == StatusCode::NOT_FOUND, hint)?;
    let record: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let found = record.as_ref().and_then(|record| record["location"].as_str());
    match found {
        Some(found) if found.eq_ignore_ascii_case(expected) => Ok(()),
        Some(found) => Err(elsewhere(config, expected, found)),
        None => Err(fatal(config, "expected the bucket's location, found none in the answer", "check `endpoint`")),
    }
}

fn judged(config: &StoreConfig, answer: &Answer, is_missing: bool, hint: &str) -> Result<(), FatalError> {
    if answer.status.is_success() {
        return Ok(());
    }
    if is_missing {
        return Err(fatal(config, "there is no such bucket or container", "create it, or correct `url`"));
    }
    if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST) {
        let text = answer.trouble().text();
        return Err(fatal(config, &format!("this worker is refused: {text}"), &format!("check `credentials`; {hint}")));
    }
    Err(unreached(config, answer.trouble()))
}

fn unreached(config: &StoreConfig, trouble: Trouble) -> FatalError {
    let hint = "check `endpoint`, `ca_file` and `credentials`, and that the store is up";
    fatal(config, &trouble.text(), hint)
}

fn elsewhere(config: &StoreConfig, expected: &str, found: &str) -> FatalError {
    // What a store says of itself is shown only if it looks like a region.
    let is_plain = found.len() <= 40 && found.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let found = if is_plain { found } else { "another" };
    fatal(
        config,
        &format!("expected a bucket in `{expected}`, found one in `{found}`"),
        "correct `cloud_region` if the bucket is where it should be; photos never leave their region",
    )
}
