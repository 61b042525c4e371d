//! Converts the result of a guest to the outcome of an attempt.

use std::time::Duration;

use cofferdam_core::outcome::{Class, Outcome};
use cofferdam_core::output::Output;

use crate::plugin::contract::{Said, lift};
use crate::plugin::host::spec::Spec;

/// Returns the outcome, and the bytes of its outputs. Secrets in a failure are redacted.
pub(super) fn judged(said: Said, spec: &Spec) -> (Outcome<Vec<Output>>, u64) {
    match said.and_then(|outputs| lift::judge(outputs, &spec.limits)) {
        Ok((outputs, size)) => (Outcome::Done(outputs), size as u64),
        Err(mut failure) => {
            spec.secrets.redact_failure(&mut failure);
            (failure.into(), 0)
        }
    }
}

/// Whether the guest has returned a result as the contract defines.
pub(super) fn is_sound(class: Class) -> bool {
    matches!(class, Class::Done | Class::Retryable | Class::Permanent | Class::Deferred)
}

pub(super) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
