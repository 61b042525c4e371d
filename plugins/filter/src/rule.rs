//! What the configuration says: where to look, what to look for, what to do.

use cofferdam_sdk::{Failure, config};
use serde_json::Value;

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Copied to the output.
    Pass,
    /// Handled, and nothing comes of it.
    Drop,
    /// To the dead letters.
    Reject,
}

/// The whole rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pointer: String,
    /// None: any value at all will do.
    value: Option<String>,
    matching: Action,
    other: Action,
    code: String,
}

impl Rule {
    /// Reads the rule from the plugin's configuration.
    ///
    /// # Errors
    ///
    /// Deferred: a key is missing, or its value is not one of the words it can have.
    pub(crate) fn from_config() -> Result<Self, Failure> {
        let pointer = config::require("pointer")?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(invalid("pointer", &pointer, "a JSON pointer, which begins with a slash"));
        }
        Ok(Self {
            pointer,
            value: config::get("value")?,
            matching: action("matching", Action::Pass)?,
            other: action("other", Action::Drop)?,
            code: config::get("code")?.unwrap_or_else(|| "REJECTED".to_owned()),
        })
    }

    /// What to do with a message of this payload.
    pub(crate) fn action_for(&self, payload: &Value) -> Action {
        if self.matches(payload) { self.matching } else { self.other }
    }

    /// The failure for a message that is rejected.
    pub(crate) fn rejection(&self, payload: &Value) -> Failure {
        let place = &self.pointer;
        let found = payload.pointer(place).map_or_else(|| "missing".to_owned(), Value::to_string);
        let text = match &self.value {
            Some(wanted) if self.matches(payload) => format!("{place} is {wanted:?}"),
            Some(wanted) => format!("{place} is {found}, not {wanted:?}"),
            None => format!("{place} is {found}"),
        };
        Failure::permanent(&self.code, text)
    }

    /// Text is compared as text, anything else as JSON: `7` matches `7` and `"7"`, but not `7.5`.
    fn matches(&self, payload: &Value) -> bool {
        match (payload.pointer(&self.pointer), &self.value) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(Value::String(found)), Some(wanted)) => found == wanted,
            (Some(found), Some(wanted)) => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| *found == wanted),
        }
    }
}

fn action(name: &str, default: Action) -> Result<Action, Failure> {
    match config::get(name)?.as_deref() {
        None => Ok(default),
        Some("pass") => Ok(Action::Pass),
        Some("drop") => Ok(Action::Drop),
        Some("reject") => Ok(Action::Reject),
        Some(word) => Err(invalid(name, word, "`pass`, `drop` or `reject`")),
    }
}

fn invalid(name: &str, value: &str, expected: &str) -> Failure {
    Failure::deferred("CONFIGURATION_INVALID", format!("the plugin's config {name} is {value:?}, not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_what_they_are() {
        let rows = [
            ("NL", r#""NL""#, true),
            ("7", "7", true),
            ("7", r#""7""#, true),
            ("7", "7.5", false),
            ("true", "true", true),
            ("true", r#""true""#, true),
            ("null", "null", true),
            (r#"{"a":1}"#, r#"{ "a": 1 }"#, true),
            ("NL", "7", false),
            ("", r#""""#, true),
        ];
        for (wanted, found, expected) in rows {
            let rule = Rule {
                pointer: "/a".to_owned(),
                value: Some(wanted.to_owned()),
                matching: Action::Pass,
                other: Action::Drop,
                code: String::new(),
            };
            let payload = serde_json::json!({ "a": serde_json::from_str::<Value>(found).unwrap() });
            assert_eq!(rule.matches(&payload), expected, "{wanted} against {found}");
        }
    }

    #[test]
    fn without_a_value_being_there_is_enough() {
        let rule = Rule {
            pointer: "/a".to_owned(),
            value: None,
            matching: Action::Pass,
            other: Action::Reject,
            code: String::new(),
        };
        assert_eq!(rule.action_for(&serde_json::json!({ "a": null })), Action::Pass);
        assert_eq!(rule.action_for(&serde_json::json!({ "b": 1 })), Action::Reject);
    }
}
