//! Finds sources and destinations that are the same topic or queue. Two expressions are compared only if each matches all
//! names with a prefix. So a reported overlap is certain, but some overlaps are not found.

use cofferdam_core::output::Destination;

use super::super::read::Reader;
use super::super::route::Read;
use super::Config;
use crate::broker::kafka::expression::Expression;
use crate::plan::Source;

/// Two routes that share a consumer group and a topic, or a queue, would each get only some of the messages.
pub(super) fn sources_are_apart(reader: &Reader<'_>, routes: &[Read]) {
    for (index, read) in routes.iter().enumerate() {
        let Some(at) = &read.from_at else { continue };
        for earlier in &routes[..index] {
            let name = earlier.route.name();
            if let Some((what, remedy)) = shared(&read.route.source, &earlier.route.source) {
                reader.problem(
                    at,
                    format!("{what} with route {name:?}: each route would receive only some of the messages"),
                    remedy,
                );
            }
        }
    }
}

/// Two routes in one consumer group with the same `group.instance.id` fence each other.
pub(super) fn members_are_apart(reader: &Reader<'_>, config: &Config, routes: &[Read]) {
    let Some(id) = config.kafka.as_ref().and_then(|kafka| kafka.properties.get("group.instance.id")) else { return };
    for (index, read) in routes.iter().enumerate() {
        let (Some(at), Some(group)) = (&read.from_at, &read.route.source.group) else { continue };
        let same = |earlier: &&Read| earlier.route.source.group.as_ref() == Some(group);
        if let Some(earlier) = routes[..index].iter().find(same) {
            let name = earlier.route.name();
            let what = format!(
                "consumer group {group:?} is shared with route {name:?}, and both have group.instance.id = {id:?}"
            );
            reader.problem(at, what, "give each route its own group, or leave group.instance.id out");
        }
    }
}

fn shared(one: &Source, other: &Source) -> Option<(String, &'static str)> {
    if (one.broker, &one.group) != (other.broker, &other.group) {
        return None;
    }
    let shared = one.texts().find(|name| other.texts().any(|other| overlap(name, other)))?;
    Some(match &one.group {
        Some(group) => {
            let remedy = "give each route its own group: each route then receives all messages";
            (format!("consumer group {group:?} shares {shared:?}"), remedy)
        }
        None => (format!("queue {shared:?} is shared"), "read a queue with one route, and raise its concurrency"),
    })
}

/// Returns whether messages to `destination` certainly come back from `source`.
pub(super) fn feeds(destination: &Destination, source: &Source) -> bool {
    destination.broker == source.broker && source.texts().any(|other| overlap(&destination.name, other))
}

/// Returns whether two subscriptions certainly have a topic in common.
fn overlap(one: &str, other: &str) -> bool {
    let matches = |expression: &str, name: &str| Expression::new(expression).is_ok_and(|it| it.matches(name));
    match (one.starts_with('^'), other.starts_with('^')) {
        _ if one == other => true,
        (false, false) => false,
        (true, false) => matches(one, other),
        (false, true) => matches(other, one),
        (true, true) => match (beginning(one), beginning(other)) {
            (Some(one), Some(other)) => one.starts_with(&other) || other.starts_with(&one),
            _ => false,
        },
    }
}

/// Returns the prefix of all topics that match `expression`, if it matches every name with this prefix: `orders.` for
/// `^orders\.` and for `^orders\..*`.
fn beginning(expression: &str) -> Option<String> {
    let mut rest = expression.strip_prefix('^')?;
    rest = rest.strip_suffix(".*$").or_else(|| rest.strip_suffix(".*")).unwrap_or(rest);
    let mut beginning = String::new();
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => beginning.push(characters.next().filter(|escaped| !escaped.is_ascii_alphanumeric())?),
            '.' | '[' | ']' | '(' | ')' | '{' | '}' | '*' | '+' | '?' | '|' | '^' | '$' => return None,
            other => beginning.push(other),
        }
    }
    Some(beginning)
}

/// Returns whether `expression` also matches every longer name that starts with a matching name.
pub(super) fn is_open(expression: &str) -> bool {
    match expression.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => rest.ends_with(".*") || rest.ends_with(".+"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_expressions_overlap_where_that_is_certain() {
        for (one, other) in [
            ("a", "a"),
            ("^orders", "orders.placed"),
            (r"^orders\..*", "orders.placed"),
            ("^orders.*$", r"^orders\.placed.*"),
            ("^[a-z]+$", "^[a-z]+$"),
            (r"^orders\.", "^.*"),
            ("^[a-z]+$", "orders"),
            ("^orders[.].*", "orders.dlq"),
            ("^orders.(dlq|x)$", "orders.dlq"),
            ("^(orders).*", "orders.dlq"),
        ] {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("a", "b"),
            (r"^orders\.", "orders"),
            ("^[a-z]+$", "o1"),
            ("^orders$", "orders.placed"),
            ("^(orders", "orders"),
        ] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
    }

    #[test]
    fn an_expression_without_an_end_matches_dead_letters_too() {
        for open in ["^orders", r"^orders\..*", "^orders.*$", "^orders.+$", r"^cost\$"] {
            assert!(is_open(open), "{open}");
        }
        for closed in ["^orders$", r"^orders\.[a-z]+$", r"^(a|b)$"] {
            assert!(!is_open(closed), "{closed}");
        }
    }
}
