//! Why a message was not handled, and what the host is to do about it.

use std::time::Duration;

/// How long a code may be. The host replaces a longer one by `INVALID_CODE`.
pub const MAX_CODE_CHARACTERS: usize = 64;

/// What the host is to do about a message that was not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Wait by the route's retry policy and try again; dead letter when the attempts are used up.
    Retryable,
    /// Dead letter at once: no attempt will ever succeed.
    Permanent,
    /// Wait as asked without counting an attempt, until the message is older than the route's `max_age`.
    Deferred,
}

/// Why a message was not handled. Nothing of the handler's outputs is published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Failure {
    /// What the host is to do.
    pub kind: FailureKind,
    /// For machines: 1 to 64 of `A-Z`, `0-9` and `_`; the host replaces anything else by `INVALID_CODE`.
    pub code: String,
    /// For people; the host cuts it after 4 KiB. It appears in logs and dead letters: no secrets here.
    pub text: String,
    /// How long to wait before the next attempt, within the route's policy. None leaves it to the policy.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Worth trying again: a service was away, a limit was reached.
    pub fn retryable(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(FailureKind::Retryable, code, text)
    }

    /// The message itself is wrong: no attempt will ever succeed.
    pub fn permanent(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, code, text)
    }

    /// The message is in order, but its time has not come.
    pub fn deferred(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(FailureKind::Deferred, code, text)
    }

    /// Permanent, `VALIDATION_ERROR`: the message is not what the handler takes.
    pub fn validation(text: impl Into<String>) -> Self {
        Self::permanent("VALIDATION_ERROR", text)
    }

    /// Asks for a delay before the next attempt, in whole milliseconds. The host clamps it to the route's policy;
    /// on a permanent failure it has no effect.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Whether the host will take the code as it is.
    pub fn has_valid_code(&self) -> bool {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=MAX_CODE_CHARACTERS).contains(&self.code.len()) && self.code.bytes().all(allowed)
    }

    fn new(kind: FailureKind, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind, code: code.into(), text: text.into(), retry_after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_capitals_digits_and_underscores_up_to_64() {
        for code in ["A", "RATE_LIMITED", "E404", &"X".repeat(64)] {
            assert!(Failure::permanent(code, "").has_valid_code(), "{code}");
        }
        for code in ["", "rate_limited", "NOT-FOUND", "NOT FOUND", "ÄRGER", &"X".repeat(65)] {
            assert!(!Failure::permanent(code, "").has_valid_code(), "{code}");
        }
    }

    #[test]
    fn a_failure_reads_as_code_and_text() {
        let failure = Failure::retryable("RATE_LIMITED", "50 a minute are used up").after(Duration::from_secs(3));
        assert_eq!(failure.to_string(), "RATE_LIMITED: 50 a minute are used up");
        assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
    }
}
