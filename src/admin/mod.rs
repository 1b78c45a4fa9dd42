//! The admin port: is the worker alive, is it ready, its metrics, and a page for people. Read only, nothing personal, and
//! built so that nobody who reaches it can hold the worker up: few connections, small requests, short waits. With certificates
//! (`tls`) it answers known clients alone; probes, which have none, get a port of their own that tells nothing else.

mod about;
mod history;
mod status;
mod tls;
mod view;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

pub use self::about::About;
use self::{status::Status, tls::Tls};
use crate::{
    config::AdminTls,
    error::FatalError,
    pipeline::{Vitals, Workshop},
};

/// Connections at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 64;
/// A connection's headers must be here within this, and the whole connection ends after [`MAX_CONNECTION_AGE`].
const MAX_HEADER_WAIT: Duration = Duration::from_secs(5);
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(60);
/// The least that the HTTP library allows.
const MAX_HEADER_BYTES: usize = 8192;
const MAX_HEADERS: usize = 64;

/// What is answered from.
#[derive(Clone)]
struct Answers {
    shop: Arc<Workshop>,
    status: Arc<Status>,
}

/// Listen on `address` and answer until the process ends; with `tls` only clients whose certificate it names. Returns the
/// address, with the port that was free if 0 was asked for.
///
/// # Errors
/// If the address or the certificates cannot be used.
pub async fn serve(
    address: SocketAddr,
    tls: Option<AdminTls>,
    about: About,
    vitals: Arc<Vitals>,
    shop: Arc<Workshop>,
) -> Result<SocketAddr, FatalError> {
    let tls = tls.map(Tls::open).transpose()?.map(Arc::new);
    let (listener, bound) =
        bind(address, "choose another with `--listen` or `admin.listen`; an empty one opens no port").await?;
    let status = Status::new(about, Arc::clone(&vitals), Arc::clone(&shop));
    tokio::spawn(Arc::clone(&status).watch());
    let router = Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/metrics", get(metrics))
        .with_state(Answers { shop, status })
        .merge(probes(vitals));
    tokio::spawn(accept(listener, router, tls));
    Ok(bound)
}

/// Answer probes on `address`, in the clear: alive or not, ready or not, and nothing else.
///
/// # Errors
/// If the address cannot be used.
pub async fn serve_probes(address: SocketAddr, vitals: Arc<Vitals>) -> Result<SocketAddr, FatalError> {
    let (listener, bound) =
        bind(address, "choose another with `admin.probe_listen`; an empty one opens no port").await?;
    tokio::spawn(accept(listener, probes(vitals), None));
    Ok(bound)
}

async fn bind(address: SocketAddr, hint: &'static str) -> Result<(TcpListener, SocketAddr), FatalError> {
    let cannot = |error: std::io::Error| FatalError::new(format!("cannot listen on `{address}`: {error}"), hint);
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    Ok((listener, bound))
}

async fn accept(listener: TcpListener, router: Router, tls: Option<Arc<Tls>>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let (router, tls) = (router.clone(), tls.clone());
                tokio::spawn(async move {
                    // What a client does wrong is its own affair.
                    let _ = timeout(MAX_CONNECTION_AGE, meet(stream, router, tls)).await;
                    drop(place);
                });
            }
            // Out of file handles, or a client that is gone already.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn meet(stream: TcpStream, router: Router, tls: Option<Arc<Tls>>) {
    let _ = match tls {
        None => answer(stream, router).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => answer(stream, router).await,
            Err(_) => return,
        },
    };
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
) -> Result<(), hyper::Error> {
    let service = TowerToHyperService::new(tower_service(router));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEADER_WAIT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        // One request a connection: a body that nobody reads cannot be taken for the next one.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn tower_service(
    router: Router,
) -> impl tower_service::Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone {
    router
}

async fn page(State(answers): State<Answers>) -> Response {
    answers.status.page()
}

async fn events(State(answers): State<Answers>) -> Response {
    answers.status.events()
}

fn probes(vitals: Arc<Vitals>) -> Router {
    let live = |State(vitals): State<Arc<Vitals>>| async move { verdict(vitals.live()) };
    let ready = |State(vitals): State<Arc<Vitals>>| async move { verdict(vitals.ready()) };
    Router::new().route("/livez", get(live)).route("/readyz", get(ready)).with_state(vitals)
}

fn verdict(vital: Result<(), &'static str>) -> Response {
    match vital {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(answers): State<Answers>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], answers.shop.metrics_page()).into_response()
}
