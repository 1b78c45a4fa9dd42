//! A store whose answers go wrong by a script.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// Nothing.
    Pass,
    /// Nothing is done; the error tells all that real ones tell.
    Fails,
    /// It is done, and the answer is lost.
    LostAnswer,
    /// No answer ever comes.
    Hangs,
    /// The connection is reset in the middle of the body.
    Reset,
    /// The body ends too early, without an error.
    ShortBody,
    /// More comes than was announced.
    LongBody,
}

/// Puts, reads and removals each follow their own script; after its end all goes well.
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    gets: Mutex<VecDeque<StoreFault>>,
    puts: Mutex<VecDeque<StoreFault>>,
    deletes: Mutex<VecDeque<StoreFault>>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self { inner, gets: Mutex::default(), puts: Mutex::default(), deletes: Mutex::default() })
    }

    /// For the next reads, HEADs among them.
    pub fn on_get(&self, faults: &[StoreFault]) {
        self.gets.lock().unwrap().extend(faults);
    }

    pub fn on_put(&self, faults: &[StoreFault]) {
        self.puts.lock().unwrap().extend(faults);
    }

    pub fn on_delete(&self, faults: &[StoreFault]) {
        self.deletes.lock().unwrap().extend(faults);
    }

    async fn before(fault: StoreFault, key: &Path) -> Result<()> {
        match fault {
            StoreFault::Hangs => std::future::pending().await,
            StoreFault::Fails => Err(failure(key)),
            _ => Ok(()),
        }
    }
}

/// As real ones, it tells where the object is and how the request was signed.
fn failure(key: &Path) -> Error {
    let text =
        format!("GET https://bucket.example.com/{key}?X-Amz-Signature=s3cr3t answered 500 Internal Server Error");
    Error::Generic { store: "FaultyStore", source: text.into() }
}

fn next(script: &Mutex<VecDeque<StoreFault>>) -> StoreFault {
    script.lock().unwrap().pop_front().unwrap_or(StoreFault::Pass)
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, key: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = next(&self.puts);
        Self::before(fault, key).await?;
        let result = self.inner.put_opts(key, payload, options).await;
        if fault == StoreFault::LostAnswer { Err(failure(key)) } else { result }
    }

    async fn put_multipart_opts(&self, key: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(key, options).await
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = next(&self.gets);
        Self::before(fault, key).await?;
        let is_head = options.head;
        let mut result = self.inner.get_opts(key, options).await?;
        if is_head || !matches!(fault, StoreFault::Reset | StoreFault::ShortBody | StoreFault::LongBody) {
            return Ok(result);
        }
        let (meta, range, attributes) = (result.meta.clone(), result.range.clone(), result.attributes.clone());
        let extensions = std::mem::take(&mut result.extensions);
        let body = result.bytes().await?;
        let half = body.slice(..body.len() / 2);
        let parts = match fault {
            StoreFault::Reset => vec![Ok(half), Err(failure(key))],
            StoreFault::ShortBody => vec![Ok(half)],
            _ => vec![Ok(body), Ok(half)],
        };
        let payload = GetResultPayload::Stream(stream::iter(parts).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(&self, keys: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match next(&self.deletes) {
            StoreFault::Pass => self.inner.delete_stream(keys),
            StoreFault::LostAnswer => {
                let removed = self.inner.delete_stream(keys);
                removed.map(|key| key.and_then(|key| Err(failure(&key)))).boxed()
            }
            _ => keys.map(|key| key.and_then(|key| Err(failure(&key)))).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({:?})", self.inner)
    }
}
