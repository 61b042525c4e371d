//! Forwards the log lines of librdkafka to the log of the host.
//!
//! While a broker is down, librdkafka repeats the same line several times a second, for every client and every broker.
//! So the journal counts lines by kind, logs only a few of them in each time span, and counts the rest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The number of lines of one kind that are logged in each [`SPAN`].
const LINES: u32 = 3;
const SPAN: Duration = Duration::from_secs(30);
/// The largest number of kinds that are counted; librdkafka has fewer.
const KINDS: usize = 256;

/// The journal of one client.
pub(crate) struct Journal {
    client: &'static str,
    /// The route of the client; `None` if the client serves all routes.
    route: Option<Box<str>>,
    kinds: Mutex<HashMap<Box<str>, Window>>,
    /// The last error text about an unreachable broker.
    unreachable: Mutex<Option<Box<str>>>,
}

struct Window {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl Journal {
    /// Creates the journal of a client of this kind: `consumer`, `producer` or `admin`.
    pub(crate) fn new(client: &'static str) -> Self {
        Self { client, route: None, kinds: Mutex::default(), unreachable: Mutex::default() }
    }

    /// As [`Journal::new`], for the client of a route.
    pub(crate) fn of_route(client: &'static str, route: &str) -> Self {
        Self { route: Some(route.into()), ..Self::new(client) }
    }

    /// Logs a line of librdkafka.
    pub(crate) fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        let (client, route) = (self.client, self.route.as_deref());
        if facility == "FAIL" {
            // The text follows the name of the thread.
            let words = text.split_once("]: ").map_or(text, |(_, words)| words);
            *self.unreachable.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.into());
        }
        // Producers and consumers share one set of properties, and each warns about the properties of the other.
        if matches!(level, RDKafkaLogLevel::Debug) || facility == "CONFWARN" {
            tracing::debug!(client, route, facility, "{text}");
            return;
        }
        let Some(suppressed) = self.admit(facility) else { return };
        match level {
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(client, route, facility, suppressed, "{text}")
            }
            // Errors are logged as warnings too, because librdkafka reconnects and retries by itself.
            _ => tracing::warn!(client, route, facility, suppressed, "{text}"),
        }
    }

    /// Logs an error of librdkafka.
    pub(crate) fn error(&self, error: &KafkaError, text: &str) {
        let code = error.rdkafka_error_code();
        let (client, route) = (self.client, self.route.as_deref());
        let kind = code.map_or_else(|| "error".to_owned(), |code| format!("{code:?}"));
        let Some(suppressed) = self.admit(&kind) else { return };
        if code.is_some_and(is_not_authorized) {
            let remedy = "grant the right to the user of this host";
            tracing::error!(event = "not_authorized", client, route, code = kind, suppressed, remedy, "{text}");
        } else if code.is_some_and(needs_somebody) {
            tracing::error!(client, route, code = kind, suppressed, "{text}");
        } else {
            tracing::warn!(client, route, code = kind, suppressed, "{text}");
        }
    }

    /// Returns the last reason that librdkafka gave for an unreachable broker, if any. Its failed requests contain no
    /// reason.
    pub(crate) fn why_unreachable(&self) -> Option<Box<str>> {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns `Some` if a line of this kind may be logged now, with the number of lines suppressed since the last one.
    fn admit(&self, kind: &str) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if !kinds.contains_key(kind) {
            if kinds.len() >= KINDS {
                kinds.clear();
            }
            kinds.insert(kind.into(), Window { since: now, lines: 0, suppressed: 0 });
        }
        let window = kinds.get_mut(kind)?;
        if now.duration_since(window.since) >= SPAN {
            (window.since, window.lines) = (now, 0);
        }
        if window.lines == LINES {
            window.suppressed += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

/// Returns whether the error remains until somebody acts.
fn needs_somebody(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::InconsistentGroupProtocol
    )
}

/// Returns whether the broker has authenticated the client but denies the request.
pub(crate) fn is_not_authorized(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_cut_and_hides_no_other_kind() {
        let journal = Journal::new("consumer");
        let admitted = (0..1_000).filter(|_| journal.admit("FAIL").is_some()).count();
        assert_eq!(admitted, LINES as usize);
        assert_eq!(journal.admit("SESSTMOUT"), Some(0));
    }
}
