//! What this program's credentials allow, asked so that nothing is changed whatever the answer.

use hyper::{Method, StatusCode};
use object_store::path::Path;

use super::{
    open::Kind,
    region_store::{RegionStore, random},
    wire::{About, Answer},
};

impl RegionStore {
    /// Whether objects may be removed, asked by removing a version of an object that is not there. None where that does
    /// not tell.
    pub async fn may_remove(&self) -> Option<bool> {
        self.may(Method::DELETE, |kind| match kind {
            Kind::Azure => (&[], &[("if-match", "\"0x0\"")]),
            Kind::Gcs { .. } => (&[("generation", "1")], &[]),
            _ => (&[("versionId", "null")], &[]),
        })
        .await
    }

    /// Whether objects may be written, under a name in the root of the store. On S3 a part is offered to an upload that was
    /// never begun; there is no store that would keep it. On Azure and Google's, the object to be replaced is not there.
    /// None where that does not tell.
    pub async fn may_write(&self) -> Option<bool> {
        self.may(Method::PUT, |kind| match kind {
            Kind::Azure => (&[], &[("if-match", "\"0x0\""), ("x-ms-blob-type", "BlockBlob"), ("content-length", "0")]),
            Kind::Gcs { .. } => (&[], &[("x-goog-if-generation-match", "1")]),
            _ => (&[("partNumber", "1"), ("uploadId", "00000000-0000-4000-8000-000000000000")], &[]),
        })
        .await
    }

    /// Whether the versions of objects may be listed, which is a right of its own on S3. None elsewhere, and where the answer
    /// does not tell.
    pub async fn may_list_versions(&self) -> Option<bool> {
        let wire = self.0.wire.as_ref().filter(|_| !matches!(self.0.kind, Kind::Azure | Kind::Gcs { .. }))?;
        let name = nowhere();
        let query = [("versions", ""), ("max-keys", "1"), ("prefix", name.as_str())];
        allowed(&wire.ask(Method::GET, About::Bucket, &query, &[]).await.ok()?)
    }

    async fn may(&self, method: Method, request: impl Fn(&Kind) -> Request) -> Option<bool> {
        let wire = self.0.wire.as_ref()?;
        let (query, headers) = request(&self.0.kind);
        allowed(&wire.ask(method, About::Object(&Path::from(nowhere())), query, headers).await.ok()?)
    }
}

/// Query and headers.
type Request = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

/// A name that nothing has.
fn nowhere() -> String {
    format!("obscura-doctor-{}", random())
}

/// Whoever has the right is told that there is nothing to do it to.
fn allowed(answer: &Answer) -> Option<bool> {
    match answer.status {
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Some(false),
        StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED => Some(true),
        status if status.is_success() => Some(true),
        _ => None,
    }
}
