//! Selects dead letters.

use bytes::Bytes;
use cofferdam_core::message::Position;
use cofferdam_core::outcome::Class;
use cofferdam_core::time::Time;

use super::Found;

/// Selects a dead letter if every given condition holds. A condition with several values holds if one of them matches.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Outcomes of the last attempt.
    pub outcomes: Vec<Class>,
    /// Codes of the last attempt.
    pub codes: Vec<String>,
    /// Names of plugins.
    pub handlers: Vec<String>,
    /// Given up at this time or later.
    pub since: Option<Time>,
    /// Given up before this time.
    pub until: Option<Time>,
    /// Headers of the original, each with its value.
    pub headers: Vec<(String, String)>,
    /// Keys of the original.
    pub keys: Vec<Bytes>,
    /// Positions in the topic or queue.
    pub positions: Vec<Position>,
    /// Whether the dead letter was replayed.
    pub state: State,
}

/// The replay state of a dead letter in a topic. Replayed dead letters of a queue are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Not replayed yet.
    #[default]
    Open,
    /// Replayed.
    Replayed,
    /// Not replayed yet, or last replayed before this time.
    ReplayedBefore(Time),
    /// In any state.
    Any,
}

impl Filter {
    /// Whether the filter selects this dead letter.
    pub fn takes(&self, found: &Found) -> bool {
        let reasons = found.reasons();
        let outcome = reasons.and_then(|reasons| reasons.outcome.as_deref()).unwrap_or_default();
        let code = reasons.and_then(|reasons| reasons.code.as_deref()).unwrap_or_default();
        let handler = reasons.and_then(|reasons| reasons.handler.as_deref()).unwrap_or_default();
        let original = &found.letter.original;
        let header = |(name, value): &(String, String)| original.headers.text(name) == Some(value);
        let time = found.time();
        any(&self.outcomes, |wanted| wanted.as_str() == outcome)
            && any(&self.codes, |wanted| wanted == code)
            && any(&self.handlers, |wanted| wanted == handler)
            && self.since.is_none_or(|since| time.is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| time.is_some_and(|time| time < until))
            && self.headers.iter().all(header)
            && any(&self.keys, |wanted| original.key.as_ref() == Some(wanted))
            && any(&self.positions, |wanted| *wanted == found.position)
            && self.state.takes(found)
    }
}

impl State {
    fn takes(self, found: &Found) -> bool {
        let replays = found.replays;
        let open = replays.count == 0 || replays.in_doubt;
        match self {
            Self::Any => true,
            Self::Open => open,
            Self::Replayed => !open,
            Self::ReplayedBefore(time) => open || replays.last.is_none_or(|last| last < time),
        }
    }
}

fn any<T>(wanted: &[T], takes: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(takes)
}
