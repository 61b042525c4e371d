//! Outcomes of attempts: a closed set of classes, each with a code.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::output::Output;

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T = Vec<Output>> {
    /// The handler succeeded with these outputs.
    Done(T),
    /// The attempt failed; none of its outputs was published.
    Failed(Box<Failure>),
}

impl<T> Outcome<T> {
    /// The class, as in the table of the documentation.
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

/// The classes of outcomes. Their names are the same in code, logs, metrics, dead letters and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The handler succeeded.
    Done,
    /// The handler requests a retry.
    Retryable,
    /// The handler rules out a retry.
    Permanent,
    /// The handler defers the message; the attempt is not counted.
    Deferred,
    /// The envelope is malformed; the handler was not called.
    Malformed,
    /// The route does not accept this message.
    Unrouted,
    /// The sandbox caught a trap.
    Trapped,
    /// The sandbox refused memory, and the handler failed because of it.
    OutOfMemory,
    /// The wall-time or CPU-time limit was exceeded.
    TimedOut,
    /// The handler broke the contract: its result, its outputs or its host calls.
    ContractBroken,
    /// The host or one of its dependencies failed; the message waits.
    HostFault,
    /// The message is lost: another host owns it now.
    Revoked,
}

impl Class {
    /// The name in logs and metrics.
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

/// A failure, for the verdict, the dead letter and the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Its class; never [`Class::Done`].
    pub class: Class,
    /// Its code.
    pub code: Code,
    /// The reason, for people; at most [`TEXT_LIMIT`] bytes. It may come from a guest: escape it for display.
    pub text: Box<str>,
    /// The delay requested by the handler.
    pub retry_after: Option<Duration>,
    /// Frames of the guest's stack, innermost first; names come from the guest.
    pub backtrace: Vec<Box<str>>,
    /// A digest of the place in the guest's code, equal for equal faults at the same place. `None` if the guest was not
    /// running, or if the place is meaningless.
    pub place: Option<u64>,
}

/// Longest text of a failure, in bytes; longer texts are cut.
pub const TEXT_LIMIT: usize = 4096;

impl Failure {
    /// A failure of `class` with `code`; `text` is cut at [`TEXT_LIMIT`].
    pub fn new(class: Class, code: Code, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(TEXT_LIMIT));
        Self { class, code, text: text.into(), retry_after: None, backtrace: Vec::new(), place: None }
    }

    /// A fault of the host, with one of the host's codes.
    pub fn host(code: Code, text: impl Into<String>) -> Self {
        Self::new(Class::HostFault, code, text)
    }

    /// The handler broke the contract.
    pub fn contract(code: Code, text: impl Into<String>) -> Self {
        Self::new(Class::ContractBroken, code, text)
    }

    /// The fingerprint of a fault: class, code and place; without a place, the words of the text without numbers, which
    /// differ between attempts. Failures returned by a handler and timeouts have none.
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

/// The words of a text; words with digits (numbers, addresses, ids) are omitted.
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
    /// The handler returned an invalid code; its class stays.
    INVALID_CODE,
    /// The envelope is malformed.
    MALFORMED_ENVELOPE,
    /// The route does not accept this message.
    NO_ROUTE,
    /// An error of the handler's language that the handler did not catch.
    UNCAUGHT_EXCEPTION,
    /// The guest executed `unreachable`: a panic, an abort, a failed assertion.
    TRAP_UNREACHABLE,
    /// The guest's call stack overflowed.
    TRAP_STACK_OVERFLOW,
    /// The guest accessed an address outside its memory.
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
    /// The result cannot be lifted, or violates the contract.
    INVALID_RESULT,
    /// The route has no output of this name.
    UNKNOWN_OUTPUT,
    /// The outputs together are larger than the limit.
    OUTPUT_TOO_LARGE,
    /// More outputs than the limit.
    TOO_MANY_OUTPUTS,
    /// More host calls than the limit.
    HOST_CALL_LIMIT,
    /// A host function failed with its own error.
    HOST_CALL_FAILED,
    /// The guest called exit.
    EXITED,
    /// The guest used a capability that was denied with `fail`.
    CAPABILITY_DENIED,
    /// An output's destination is unavailable.
    OUTPUT_UNAVAILABLE,
    /// The destination of dead letters or error events is unavailable.
    DEAD_LETTER_UNAVAILABLE,
    /// The plugin is temporarily unavailable.
    PLUGIN_UNAVAILABLE,
    /// The store of event ids is unavailable.
    STORE_UNAVAILABLE,
    /// A fault of the host.
    INTERNAL,
}

impl Code {
    /// The code returned by a handler: `code` if it is valid, else [`Code::INVALID_CODE`].
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

impl From<Code> for Cow<'static, str> {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The resources used by one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// Wall time of the call, in microseconds.
    pub wall_us: u64,
    /// CPU time of the guest, in microseconds.
    pub cpu_us: u64,
    /// Peak memory of the instance, tables included, in bytes.
    pub memory_peak_bytes: u64,
    /// Number of host calls.
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
