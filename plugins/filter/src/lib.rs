//! Passes, drops or rejects messages by one value in their JSON.

mod rule;

use cofferdam_sdk::{Failure, Message, Output, config};
use serde_json::Value;

use crate::rule::{Action, Rule};

cofferdam_sdk::handler!(handle);

/// Looks at the value under the JSON pointer `pointer` of the payload and does what the configuration says: `matching`
/// (default `pass`) where it is the configured `value`, `other` (default `drop`) where it is not.
///
/// # Errors
///
/// Permanent: the payload is no JSON (`VALIDATION_ERROR`), or the message is to be rejected (`code`, by default
/// `REJECTED`). Deferred: the configuration is incomplete or unknown words stand in it.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let rule = Rule::from_config()?;
    let payload: Value = message.json()?;
    match rule.action_for(&payload) {
        Action::Pass => Ok(vec![Output::copy_of(message, config::require("to")?)]),
        Action::Drop => Ok(vec![]),
        Action::Reject => Err(rule.rejection(&payload)),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_sdk::{FailureKind, test};

    use super::*;

    fn message(payload: &str) -> Message {
        test::message().key("k").header("h", "1").payload(payload).build()
    }

    fn configure(settings: &[(&str, &str)]) {
        test::reset();
        test::set_config("to", "passed");
        test::set_config("pointer", "/country");
        for (name, value) in settings {
            test::set_config(*name, *value);
        }
    }

    #[test]
    fn what_matches_passes_unchanged_and_the_rest_is_dropped() {
        configure(&[("value", "NL")]);
        let kept = message(r#"{ "country": "NL" }"#);
        assert_eq!(handle(kept.clone()), Ok(vec![Output::copy_of(kept, "passed")]));
        assert_eq!(handle(message(r#"{"country":"BE"}"#)), Ok(vec![]));
        assert_eq!(handle(message("{}")), Ok(vec![]));
    }

    #[test]
    fn what_to_do_can_be_turned_round() {
        configure(&[("value", "NL"), ("matching", "drop"), ("other", "pass")]);
        assert_eq!(handle(message(r#"{"country":"NL"}"#)), Ok(vec![]));
        assert_eq!(handle(message("{}")).unwrap().len(), 1);
    }

    #[test]
    fn a_rejected_message_says_why_under_the_configured_code() {
        configure(&[("value", "NL"), ("other", "reject"), ("code", "NOT_OURS")]);
        let failure = handle(message(r#"{"country":"BE"}"#)).unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "NOT_OURS"));
        assert_eq!(failure.text, r#"/country is "BE", not "NL""#);
        assert_eq!(handle(message("{}")).unwrap_err().text, r#"/country is missing, not "NL""#);
    }

    #[test]
    fn a_payload_that_is_no_json_is_rejected_whatever_the_rule() {
        configure(&[("value", "NL"), ("other", "pass")]);
        for payload in ["", "nonsense", "{\"country\":"] {
            assert_eq!(handle(message(payload)).unwrap_err().code, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn a_wrong_configuration_holds_messages_back_instead_of_losing_them() {
        for settings in [[("matching", "keep")], [("pointer", "country")], [("other", "")]] {
            configure(&settings);
            let failure = handle(message(r#"{"country":"NL"}"#)).unwrap_err();
            assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Deferred, "CONFIGURATION_INVALID"));
        }
    }
}
