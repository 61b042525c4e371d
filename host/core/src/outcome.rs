//! What happened to one attempt: a closed set of classes, each with a code.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::output::Output;

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T = Vec<Output>> {
    /// The handler ended well and asks for these outputs.
    Done(T),
    /// It did not; nothing of what it meant to emit has left.
    Failed(Box<Failure>),
}

impl<T> Outcome<T> {
    /// The class of the table in the documentation.
    pub fn class(&self) -> Class {
        match self {
            Self::Done(_) => Class::Done,
            Self::Failed(failure) => failure.class,
        }
    }
}

impl<T> From<Failure> for Outcome<T> {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// The classes of outcome. The words are the same in code, logs, metrics, dead letters and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The handler ended well.
    Done,
    /// The handler says: try again.
    Retryable,
    /// The handler says: never again.
    Permanent,
    /// The handler says: not now; no attempt is counted.
    Deferred,
    /// The envelope could not be read; the handler was not called.
    Malformed,
    /// No route takes this message.
    Unrouted,
    /// The sandbox caught a trap.
    Trapped,
    /// The sandbox refused memory and the handler died of it.
    OutOfMemory,
    /// Wall time or CPU time was used up.
    TimedOut,
    /// The handler broke the contract: its result, its outputs or its host calls.
    ContractBroken,
    /// The host, or what it depends on, is at fault; the message waits.
    HostFault,
    /// The message belongs to somebody else now.
    Revoked,
}

impl Class {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
            Self::Deferred => "deferred",
            Self::Malformed => "malformed",
            Self::Unrouted => "unrouted",
            Self::Trapped => "trapped",
            Self::OutOfMemory => "out_of_memory",
            Self::TimedOut => "timed_out",
            Self::ContractBroken => "contract_broken",
            Self::HostFault => "host_fault",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, for the verdict, the dead letter and the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Its class; never [`Class::Done`].
    pub class: Class,
    /// Its code.
    pub code: Code,
    /// For people; at most [`TEXT_LIMIT`] bytes. May come from a guest: escape it before people read it.
    pub text: Box<str>,
    /// The delay that a handler wishes for.
    pub retry_after: Option<Duration>,
    /// Frames of the guest's stack, innermost first; names come from the guest.
    pub backtrace: Vec<Box<str>>,
    /// A digest of where in its code the guest was; the same whenever the same happens there. `None` where it was not
    /// running, or where the place says nothing.
    pub place: Option<u64>,
}

/// Longest text of a failure, in bytes; what is over is cut.
pub const TEXT_LIMIT: usize = 4096;

impl Failure {
    /// A failure of `class` with `code`; `text` is cut at [`TEXT_LIMIT`].
    pub fn new(class: Class, code: Code, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(TEXT_LIMIT));
        Self { class, code, text: text.into(), retry_after: None, backtrace: Vec::new(), place: None }
    }

    /// The host itself is at fault: `code` is one of the host's.
    pub fn host(code: Code, text: impl Into<String>) -> Self {
        Self::new(Class::HostFault, code, text)
    }

    /// The handler broke the contract.
    pub fn contract(code: Code, text: impl Into<String>) -> Self {
        Self::new(Class::ContractBroken, code, text)
    }

    /// What makes two faults the same: class, code and place; where there is no place, the words of the text without
    /// its numbers, which differ from one attempt to the next. A handler's own failures have none, nor has time.
    pub fn fingerprint(&self) -> Option<u64> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        if !matches!(self.class, Class::Trapped | Class::OutOfMemory | Class::ContractBroken) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (self.class, &self.code, self.place).hash(&mut hasher);
        if self.place.is_none() {
            words(&self.text).for_each(|word| word.hash(&mut hasher));
        }
        Some(hasher.finish())
    }
}

/// The words of a text; what has digits in it is a number, an address or an id.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty() && !word.contains(|character: char| character.is_ascii_digit()))
}

/// A code: 1 to 64 of `A-Z 0-9 _`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Code(Cow<'static, str>);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self(Cow::Borrowed(stringify!($name)));)*
        }
    };
}

codes! {
    /// A handler gave a code that is none; its class stays.
    INVALID_CODE,
    /// The envelope could not be read.
    MALFORMED_ENVELOPE,
    /// No route takes this message.
    NO_ROUTE,
    /// An error of the handler's language that the handler did not catch.
    UNCAUGHT_EXCEPTION,
    /// The guest executed `unreachable`: a panic, an abort, a failed assertion.
    TRAP_UNREACHABLE,
    /// The guest's call stack was used up.
    TRAP_STACK_OVERFLOW,
    /// The guest reached outside its memory.
    TRAP_MEMORY_OUT_OF_BOUNDS,
    /// The guest divided by zero.
    TRAP_INTEGER_DIVIDE_BY_ZERO,
    /// A call through a table: out of bounds, null, or of the wrong type.
    TRAP_INDIRECT_CALL,
    /// Any other trap.
    TRAP_OTHER,
    /// All memories and tables of the component together.
    MEMORY_LIMIT,
    /// Table elements.
    TABLE_LIMIT,
    /// Wall time.
    TIMEOUT,
    /// CPU time.
    CPU_LIMIT,
    /// The result could not be lifted, or says something that the contract forbids.
    INVALID_RESULT,
    /// An output names none of the route's outputs.
    UNKNOWN_OUTPUT,
    /// The outputs together are larger than the limit.
    OUTPUT_TOO_LARGE,
    /// More outputs than the limit.
    TOO_MANY_OUTPUTS,
    /// More host calls than the limit.
    HOST_CALL_LIMIT,
    /// A host function ended in an error of its own.
    HOST_CALL_FAILED,
    /// The guest called exit.
    EXITED,
    /// The guest used a capability that was denied with `fail`.
    CAPABILITY_DENIED,
    /// An output's destination cannot be reached.
    OUTPUT_UNAVAILABLE,
    /// The dead-letter or error destination cannot be reached.
    DEAD_LETTER_UNAVAILABLE,
    /// The plugin cannot be run just now.
    PLUGIN_UNAVAILABLE,
    /// The store of event ids cannot be reached.
    STORE_UNAVAILABLE,
    /// A fault of the host.
    INTERNAL,
}

impl Code {
    /// The code of a handler: `code` if it is one, else [`Code::INVALID_CODE`].
    pub fn of_handler(code: &str) -> Self {
        let valid = (1..=64).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if valid { Self(Cow::Owned(code.to_owned())) } else { Self::INVALID_CODE }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// From the call to its end, microseconds.
    pub wall_us: u64,
    /// What the guest itself burnt, microseconds.
    pub cpu_us: u64,
    /// Highest sum of all memories and tables of the instance, bytes.
    pub memory_peak_bytes: u64,
    /// Calls of the guest to the host.
    pub host_calls: u64,
    /// Keys, payloads, header and attribute names and values of all outputs, and 32 for each header and attribute.
    pub output_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_handler_is_checked() {
        assert_eq!(Code::of_handler("RATE_LIMITED_2").as_str(), "RATE_LIMITED_2");
        for bad in ["", "lower", "WITH SPACE", "NEW\nLINE", &"A".repeat(65)] {
            assert_eq!(Code::of_handler(bad), Code::INVALID_CODE, "{bad:?}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let failure = Failure::new(Class::Permanent, Code::INTERNAL, "é".repeat(TEXT_LIMIT));
        assert_eq!(failure.text.len(), TEXT_LIMIT);
        let failure = Failure::new(Class::Permanent, Code::INTERNAL, format!("a{}", "é".repeat(TEXT_LIMIT)));
        assert_eq!(failure.text.len(), TEXT_LIMIT - 1);
    }

    #[test]
    fn a_fault_is_the_same_by_class_code_and_place() {
        let fault = |class, code, place, text: &str| Failure { place, ..Failure::new(class, code, text) };
        let fingerprint = |place, text| {
            fault(Class::Trapped, Code::TRAP_UNREACHABLE, place, text).fingerprint().expect("a trap has one")
        };
        assert_eq!(fingerprint(Some(7), "index 5 of 4"), fingerprint(Some(7), "quite another text"));
        assert_ne!(fingerprint(Some(7), "the same text"), fingerprint(Some(8), "the same text"));
        assert_ne!(fingerprint(Some(7), ""), fingerprint(None, ""));
        let other_code = fault(Class::Trapped, Code::TRAP_OTHER, Some(7), "").fingerprint();
        let other_class = fault(Class::OutOfMemory, Code::TRAP_OTHER, Some(7), "").fingerprint();
        assert_ne!(other_code, Some(fingerprint(Some(7), "")));
        assert_ne!(other_class, other_code);
        for class in [Class::Retryable, Class::Permanent, Class::Deferred, Class::TimedOut, Class::HostFault] {
            assert_eq!(fault(class, Code::TIMEOUT, Some(7), "").fingerprint(), None, "{class}");
        }
    }

    #[test]
    fn without_a_place_the_text_says_which_fault_it_is_and_its_numbers_do_not() {
        let fingerprint = |text| Failure::contract(Code::INVALID_RESULT, text).fingerprint();
        assert_eq!(
            fingerprint("list of 12 at 0x7fff0000 out of bounds"),
            fingerprint("list of 5 at 0xdead out of bounds")
        );
        assert_ne!(fingerprint("list of 12 out of bounds"), fingerprint("string of 12 out of bounds"));
        assert_ne!(fingerprint("ab c"), fingerprint("a bc"));
    }
}
