//! The service before `s3s-fs`.

use std::{
    io,
    net::TcpStream as Socket,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use crc_fast::{CrcAlgorithm, checksum};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body, Bytes, Frame, Incoming},
    header::{CONTENT_LENGTH, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::service::S3Service;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::RwLock,
};
use tokio_rustls::TlsAcceptor;

use super::{
    s3::S3Options,
    s3_faults::{Fault, Faults},
};

/// A request in the log.
#[derive(Debug, Clone)]
pub struct Access {
    pub method: String,
    pub bucket: String,
    pub key: String,
    pub query: String,
    pub headers: HeaderMap,
    /// None while there is no answer, and if none was sent.
    pub status: Option<u16>,
    pub bytes_in: u64,
    pub fault: Option<Fault>,
    sent: Arc<AtomicU64>,
}

impl Access {
    /// Bytes of the answer's body that were handed to the connection.
    pub fn bytes_out(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

pub struct Front {
    service: S3Service,
    trusting: S3Service,
    root: PathBuf,
    options: S3Options,
    pub faults: Faults,
    pub log: Mutex<Vec<Access>>,
    /// One writer at a time and no reader beside it: `s3s-fs` checks conditions long before it writes.
    turn: RwLock<()>,
}

impl Front {
    pub fn new(service: S3Service, trusting: S3Service, root: PathBuf, options: S3Options) -> Self {
        let (faults, log, turn) = (Faults::default(), Mutex::new(Vec::new()), RwLock::new(()));
        Self { service, trusting, root, options, faults, log, turn }
    }

    pub async fn serve(self: &Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (front, tls) = (Arc::clone(self), tls.clone());
            tokio::spawn(async move {
                let stream = stream.into_std()?;
                let socket = Arc::new(stream.try_clone()?);
                let stream = tokio::net::TcpStream::from_std(stream)?;
                match tls {
                    Some(tls) => front.connection(tls.accept(stream).await?, socket).await,
                    None => front.connection(stream, socket).await,
                }
                io::Result::Ok(())
            });
        }
    }

    async fn connection(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin, socket: Arc<Socket>) {
        let service = service_fn(|request| Arc::clone(&self).answer(request, Arc::clone(&socket)));
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(None);
        // Cut connections are what is asked for.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, socket: Arc<Socket>) -> io::Result<Response<Sent>> {
        let (mut parts, body) = request.into_parts();
        let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
        let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let fault = self.faults.of(parts.method.as_str(), bucket, key, parts.uri.query().unwrap_or_default());
        let sent = Arc::new(AtomicU64::new(0));
        let number = {
            let mut log = self.log.lock().unwrap();
            log.push(Access {
                method: parts.method.to_string(),
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                headers: parts.headers.clone(),
                status: None,
                bytes_in: 0,
                fault,
                sent: Arc::clone(&sent),
            });
            log.len() - 1
        };
        let note = |change: &dyn Fn(&mut Access)| {
            // The test may have cleared the log meanwhile.
            if let Some(access) = self.log.lock().unwrap().get_mut(number).filter(|a| Arc::ptr_eq(&a.sent, &sent)) {
                change(access);
            }
        };
        if fault == Some(Fault::Reset) {
            return Err(reset(&socket));
        }
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        note(&|access| access.bytes_in = bytes.len() as u64);
        if self.options.checksums && parts.method == Method::PUT && !bytes.is_empty() {
            let sum = checksum(CrcAlgorithm::Crc64Nvme, &bytes).to_be_bytes();
            let sum = HeaderValue::from_str(&BASE64_STANDARD.encode(sum)).unwrap();
            parts.headers.insert("x-amz-checksum-crc64nvme", sum);
        }
        let answer = match fault {
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Error(status, code)) => error(status, code),
            Some(Fault::SlowDown) => error(503, "SlowDown"),
            _ => {
                if let Some(Fault::Delay(time)) = fault {
                    tokio::time::sleep(time).await;
                }
                let request = Request::from_parts(parts.clone(), s3s::Body::from(bytes));
                // As a whole, whoever hangs up meanwhile: `s3s-fs` writes an object and its metadata one after the other.
                let (front, bucket, key) = (Arc::clone(&self), bucket.to_owned(), key.to_owned());
                let performing = tokio::spawn(async move { front.perform(request, &bucket, &key).await });
                performing.await.map_err(io::Error::other)??
            }
        };
        if fault == Some(Fault::LostAnswer) {
            return Err(reset(&socket));
        }
        let (mut head, mut bytes) = answer.into_parts();
        match fault {
            Some(Fault::WrongBody) if !bytes.is_empty() => {
                let mut other = bytes.to_vec();
                other[0] ^= 0xFF;
                bytes = other.into();
            }
            Some(Fault::WrongChecksum) => spoil_checksums(&mut head.headers),
            _ => {}
        }
        note(&|access| access.status = Some(head.status.as_u16()));
        let cut_at = (fault == Some(Fault::CutOff)).then_some(bytes.len() / 2);
        if !head.headers.contains_key(CONTENT_LENGTH) && parts.method != Method::HEAD {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        }
        Ok(Response::from_parts(head, Sent { bytes, count: sent, cut_at, socket }))
    }

    /// What an S3 server does with a request, without faults.
    async fn perform(&self, request: Request<s3s::Body>, bucket: &str, key: &str) -> io::Result<Response<Bytes>> {
        let method = request.method().clone();
        let reads = [Method::GET, Method::HEAD].contains(&method);
        let (_reading, _writing) =
            if reads { (Some(self.turn.read().await), None) } else { (None, Some(self.turn.write().await)) };
        if let Some(owner) = self.options.owners.get(bucket)
            && access_key(&request).is_some_and(|key| key != owner)
        {
            return Ok(error(403, "AccessDenied"));
        }
        let condition = |name| request.headers().get(name).cloned();
        let (if_match, if_none_match) = (condition(IF_MATCH), condition(IF_NONE_MATCH));
        if method == Method::PUT && !key.is_empty() && !self.root.join(bucket).is_dir() {
            return Ok(error(404, "NoSuchBucket"));
        }
        if method == Method::DELETE && if_match.is_some() {
            let mut head = Request::new(s3s::Body::empty());
            *head.method_mut() = Method::HEAD;
            // Without the query, where a signature may be.
            *head.uri_mut() = request.uri().path().parse().map_err(io::Error::other)?;
            let head = self.trusting.call(head).await.map_err(io::Error::other)?;
            if head.status().is_success() && head.headers().get(ETAG) != if_match.as_ref() {
                return Ok(error(412, "PreconditionFailed"));
            }
        }
        let answer = self.service.call(request).await.map_err(io::Error::other)?;
        let (mut head, body) = answer.into_parts();
        if reads && head.status.is_success() && !key.is_empty() {
            let tag = head.headers.get(ETAG);
            if if_match.is_some() && tag != if_match.as_ref() {
                return Ok(error(412, "PreconditionFailed"));
            }
            if if_none_match.is_some() && tag == if_none_match.as_ref() {
                return Ok(error(304, "NotModified").map(|_| Bytes::new()));
            }
        }
        if method == Method::HEAD && key.is_empty() {
            let region = self.options.bucket_regions.get(bucket).unwrap_or(&self.options.region);
            head.headers.insert("x-amz-bucket-region", HeaderValue::from_str(region).unwrap());
        }
        Ok(Response::from_parts(head, body.collect().await.map_err(io::Error::other)?.to_bytes()))
    }
}

/// Who says to have signed the request.
fn access_key<B>(request: &Request<B>) -> Option<&str> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let header = header.split_once("Credential=").map(|(_, rest)| rest);
    let query = request.uri().query().unwrap_or_default().split_once("X-Amz-Credential=").map(|(_, rest)| rest);
    Some(header.or(query)?.split(['/', '%']).next().unwrap())
}

fn error(status: u16, code: &str) -> Response<Bytes> {
    let text =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>test</Message></Error>");
    Response::builder().status(status).header("content-type", "application/xml").body(text.into()).unwrap()
}

fn spoil_checksums(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if name == ETAG || name.as_str().starts_with("x-amz-checksum-") {
            let spoilt: Vec<u8> = value.as_bytes().iter().map(|&byte| if byte == b'1' { b'2' } else { byte }).collect();
            let spoilt: Vec<u8> = spoilt.into_iter().map(|byte| if byte == b'a' { b'1' } else { byte }).collect();
            *value = HeaderValue::from_bytes(&spoilt).unwrap();
        }
    }
}

/// Let the connection end with a reset when it is dropped, as it is for this error.
fn reset(socket: &Socket) -> io::Error {
    let set = socket2::SockRef::from(socket).set_linger(Some(std::time::Duration::ZERO));
    set.err().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
}

/// The body of an answer, in pieces so that what was taken can be counted and cut.
pub struct Sent {
    bytes: Bytes,
    count: Arc<AtomicU64>,
    cut_at: Option<usize>,
    socket: Arc<Socket>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        const PIECE_BYTES: usize = 64 << 10;
        if self.cut_at == Some(0) {
            return Poll::Ready(Some(Err(reset(&self.socket))));
        }
        let piece_bytes = PIECE_BYTES.min(self.bytes.len()).min(self.cut_at.unwrap_or(usize::MAX));
        if piece_bytes == 0 {
            return Poll::Ready(None);
        }
        self.cut_at = self.cut_at.map(|left| left - piece_bytes);
        self.count.fetch_add(piece_bytes as u64, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(piece_bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.cut_at.is_none()
    }
}
