//! `${NAME}` and `${NAME:-default}` in strings.

/// The reason why a string cannot be expanded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// The variable is not set and has no default.
    #[error("environment variable `{0}` is not set")]
    Missing(String),
    /// A `${` whose `}` is missing.
    #[error("`${{` without a closing `}}`")]
    Open,
    /// The invalid text between the braces.
    #[error("invalid variable name `{0}` (expected letters, digits and _, not beginning with a digit)")]
    Name(String),
}

/// Returns `text` with its variables expanded, and whether it had any. As in a shell, the default also applies if the
/// variable is empty. `$${` becomes a literal `${`. Values are not expanded again.
pub(super) fn expand(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<(String, bool), Error> {
    let mut expanded = String::with_capacity(text.len());
    let mut any = false;
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(escaped) = rest[..at].strip_suffix('$') {
            expanded.push_str(escaped);
            expanded.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        let end = rest.find('}').ok_or(Error::Open)?;
        let (name, default) = match rest[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&rest[..end], None),
        };
        if !is_name(name) {
            return Err(Error::Name(name.to_owned()));
        }
        let value = match (environment(name), default) {
            (Some(value), None) => value,
            (Some(value), Some(_)) if !value.is_empty() => value,
            (_, Some(default)) => default.to_owned(),
            (None, None) => return Err(Error::Missing(name.to_owned())),
        };
        expanded.push_str(&value);
        any = true;
        rest = &rest[end + 1..];
    }
    expanded.push_str(rest);
    Ok((expanded, any))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Error> {
        let environment = |name: &str| match name {
            "HOST" => Some("kafka-1".to_owned()),
            "EMPTY" => Some(String::new()),
            "MONEY" => Some("${HOST}".to_owned()),
            _ => None,
        };
        expand(text, &environment).map(|(text, _)| text)
    }

    #[test]
    fn variables_are_filled_in_anywhere() {
        assert_eq!(expanded("${HOST}:9092,x${HOST}").as_deref(), Ok("kafka-1:9092,xkafka-1"));
        assert_eq!(expanded("{entity} $HOST $").as_deref(), Ok("{entity} $HOST $"));
        assert_eq!(expanded("${MONEY}").as_deref(), Ok("${HOST}"), "a value is taken as it is");
    }

    #[test]
    fn a_default_stands_in_for_what_is_missing_or_empty() {
        assert_eq!(expanded("${NONE:-a:-b}${EMPTY:-c}${HOST:-d}${NONE:-}").as_deref(), Ok("a:-bckafka-1"));
        assert_eq!(expanded("${EMPTY}").as_deref(), Ok(""));
    }

    #[test]
    fn two_dollars_escape() {
        assert_eq!(expanded("$${HOST} a$${ $$").as_deref(), Ok("${HOST} a${ $$"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(expanded("${NONE}"), Err(Error::Missing("NONE".into())));
        assert_eq!(expanded("a ${HOST"), Err(Error::Open));
        assert_eq!(expanded("${}"), Err(Error::Name(String::new())));
        assert_eq!(expanded("${1A}"), Err(Error::Name("1A".into())));
        assert_eq!(expanded("${A-b}"), Err(Error::Name("A-b".into())));
    }
}
