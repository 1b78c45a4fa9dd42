//! The page for people at `/`: what this worker is and does. It is one file that asks for nothing elsewhere, names no photo, no
//! file and nobody whose photos these are, and shows what it shows without its script, too.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::MissedTickBehavior,
};

use super::{
    about::About,
    history::History,
    view::{PLOT_HEIGHT, PLOT_WIDTH, View},
};
use crate::pipeline::{Vitals, Workshop};

const STYLE: &str = include_str!("../../templates/status.css");
const SCRIPT: &str = include_str!("../../templates/status.js");

/// How often the worker is looked at, and viewers are told.
const PERIOD: Duration = Duration::from_secs(2);
/// A stream of events ends by itself before its connection would be cut, and the page asks again.
const STREAM_AGE: Duration = Duration::from_secs(45);
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Viewers at once, so that probes and scrapes always find a free connection.
const MAX_VIEWERS: usize = 16;

/// What the page is answered from.
pub struct Status {
    about: About,
    vitals: Arc<Vitals>,
    shop: Arc<Workshop>,
    started: Instant,
    history: Mutex<History>,
    /// The latest view, as JSON.
    news: watch::Sender<Arc<str>>,
    viewers: Arc<Semaphore>,
}

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'a> {
    about: &'a About,
    view: &'a View,
    style: &'static str,
    script: &'static str,
    width: f64,
    height: f64,
}

impl Status {
    pub fn new(about: About, vitals: Arc<Vitals>, shop: Arc<Workshop>) -> Arc<Self> {
        Arc::new(Self {
            about,
            vitals,
            shop,
            started: Instant::now(),
            history: Mutex::default(),
            news: watch::Sender::new(Arc::from("")),
            viewers: Arc::new(Semaphore::new(MAX_VIEWERS)),
        })
    }

    /// Look at the worker every now and then, for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let reading = self.shop.reading();
            self.history.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now(), &reading);
            if self.news.receiver_count() > 0 {
                self.news.send_replace(self.json());
            }
        }
    }

    fn view(&self) -> View {
        let state = match (self.vitals.live(), self.vitals.ready()) {
            (Err(why), _) | (Ok(()), Err(why)) => why,
            (Ok(()), Ok(())) => "ready",
        };
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        View::new(&self.about, &self.shop.reading(), &history, state, self.started.elapsed())
    }

    fn json(&self) -> Arc<str> {
        serde_json::to_string(&self.view()).unwrap_or_default().into()
    }

    pub fn page(&self) -> Response {
        let view = self.view();
        let page = Page {
            about: &self.about,
            view: &view,
            style: STYLE,
            script: SCRIPT,
            width: PLOT_WIDTH,
            height: PLOT_HEIGHT,
        };
        match page.render() {
            Ok(page) => (headers(), page).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// Views as they change, beginning with the present one.
    pub fn events(self: &Arc<Self>) -> Response {
        let Ok(place) = Arc::clone(&self.viewers).try_acquire_owned() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many viewers\n").into_response();
        };
        let viewer = Viewer {
            news: self.news.subscribe(),
            first: Some(self.json()),
            until: tokio::time::Instant::now() + STREAM_AGE,
            _place: place,
        };
        let stream = futures::stream::unfold(viewer, Viewer::next);
        ([NO_STORE, NO_SNIFF], Sse::new(stream)).into_response()
    }
}

struct Viewer {
    news: watch::Receiver<Arc<str>>,
    first: Option<Arc<str>>,
    until: tokio::time::Instant,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    async fn next(mut self) -> Option<(Result<Event, std::convert::Infallible>, Self)> {
        let json = if let Some(json) = self.first.take() {
            json
        } else {
            tokio::time::timeout_at(self.until, self.news.changed()).await.ok()?.ok()?;
            Arc::clone(&self.news.borrow_and_update())
        };
        Some((Ok(Event::default().retry(ASK_AGAIN).data(&*json)), self))
    }
}

const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
const NO_SNIFF: (HeaderName, HeaderValue) = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// Only the style and the script of this page, only connections to where it comes from.
fn headers() -> [(HeaderName, HeaderValue); 5] {
    static POLICY: OnceLock<HeaderValue> = OnceLock::new();
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let policy = POLICY.get_or_init(|| {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy.clone()),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        NO_STORE,
        NO_SNIFF,
    ]
}
