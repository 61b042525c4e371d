//! The live page: the routes and the latest messages.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use futures::stream::{self, Stream, StreamExt as _};
use tokio::sync::broadcast::error::RecvError;

use super::recent::Recent;

const PAGE: &str = include_str!("page.html");

/// Content security policy: the page may run its own script and style, and send requests to this server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";

/// Returns the routes `/` and `/dev/messages`, the stream of messages.
pub(super) fn router(recent: Arc<Recent>) -> Router {
    let page = || async { ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response() };
    let messages = move || async move { Sse::new(messages(&recent)).keep_alive(KeepAlive::default()) };
    Router::new().route("/", get(page)).route("/dev/messages", get(messages))
}

/// Returns the latest messages, and then each new one.
fn messages(recent: &Recent) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let (kept, news) = recent.follow();
    let coming = stream::unfold(news, |mut news| async move {
        loop {
            match news.recv().await {
                Ok(message) => return Some((message, news)),
                // A page that is too slow misses messages.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    stream::iter(kept).chain(coming).map(|message| Ok(Event::default().data(&*message)))
}
