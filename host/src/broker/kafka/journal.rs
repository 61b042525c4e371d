//! The client library's own words, on their way to our log.
//!
//! A broker that is down makes librdkafka say the same thing several times a second, in every client and for every
//! broker. So lines are counted by their kind, and beyond a few in each span of time only their number is kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Lines of one kind that are let through in each [`SPAN`].
const LINES: u32 = 3;
const SPAN: Duration = Duration::from_secs(30);
/// Kinds that are told apart; librdkafka has fewer.
const KINDS: usize = 256;

/// The journal of one client.
pub(crate) struct Journal {
    client: &'static str,
    /// The route that the client belongs to; `None` where it serves all.
    route: Option<Box<str>>,
    kinds: Mutex<HashMap<Box<str>, Window>>,
    /// What was said last of one broker that cannot be reached.
    unreachable: Mutex<Option<Box<str>>>,
}

struct Window {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl Journal {
    /// For a client of this kind: `consumer`, `producer` or `admin`.
    pub(crate) fn new(client: &'static str) -> Self {
        Self { client, route: None, kinds: Mutex::default(), unreachable: Mutex::default() }
    }

    /// The same for the client of a route.
    pub(crate) fn of_route(client: &'static str, route: &str) -> Self {
        Self { route: Some(route.into()), ..Self::new(client) }
    }

    /// A line of librdkafka's log.
    pub(crate) fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        let (client, route) = (self.client, self.route.as_deref());
        if facility == "FAIL" {
            // Behind the name of the thread.
            let words = text.split_once("]: ").map_or(text, |(_, words)| words);
            *self.unreachable.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.into());
        }
        // One set of properties serves producers and consumers; each complains of the other's.
        if matches!(level, RDKafkaLogLevel::Debug) || facility == "CONFWARN" {
            tracing::debug!(client, route, facility, "{text}");
            return;
        }
        let Some(suppressed) = self.admit(facility) else { return };
        match level {
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(client, route, facility, suppressed, "{text}")
            }
            // Also its errors: it connects again and tries again by itself.
            _ => tracing::warn!(client, route, facility, suppressed, "{text}"),
        }
    }

    /// Something that librdkafka reports as an error.
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

    /// Why a broker could not be reached, in librdkafka's words, as far as it has said so: its requests fail without a reason.
    pub(crate) fn why_unreachable(&self) -> Option<Box<str>> {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a line of this kind may be written now, and how many were not since the last one.
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

/// Whether waiting will not mend it.
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

/// Whether the broker knows who asks, and does not allow it.
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
