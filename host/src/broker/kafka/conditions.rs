//! Conditions on the topics, the group and the permissions of a route, checked by `check --brokers` and the start of `run`.
//!
//! | condition | otherwise |
//! |---|---|
//! | a dead-letter topic accepts records as large as its source | a failed record cannot be stored, and blocks its key |
//! | a dead-letter topic is not compacted | a dead letter replaces earlier ones with the same key |
//! | a dead-letter topic uses append time, or has the retention of its source | a dead letter may be removed at once |
//! | a dead-letter topic accepts the timestamps that its source accepts | a dead letter is stored without its timestamp |
//! | an output topic accepts records as large as the source | a large output turns its record into a dead letter |
//! | an output topic is not compacted | an output without a key turns its record into a dead letter |
//! | an error-event topic is not compacted | an error event without a key is dropped |
//! | the user may read the source and the group, and write to the destinations | nothing is received, or the route holds |
//! | members of the group use the assignor of this host | the route cannot join the group |

mod rights;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::output::Destination;

use crate::broker::findings::Unfit;
use crate::broker::kafka;
use crate::broker::kafka::rights::{Group, Rights};
use crate::broker::kafka::topics::Rules;
use crate::plan::RouteConfig;

/// The largest message of SQS, in bytes.
const LARGEST_OF_SQS: u64 = 1 << 20;

/// Facts from the brokers about topics and groups, by name; conditions without facts are skipped.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) rules: BTreeMap<Arc<str>, Rules>,
    pub(super) rights: BTreeMap<Arc<str>, Rights>,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
}

/// Returns all topics in the conditions of this route.
pub(super) fn topics(route: &RouteConfig) -> BTreeSet<String> {
    let sources = route.source.named().filter(|_| route.source.broker == kafka::NAME).map(str::to_owned);
    let (letters, destinations) = (letters_of(route).into_iter().map(|(_, letters)| letters), route.destinations());
    let written = destinations.map(|(destination, _)| destination.clone()).chain(letters);
    let topics = written.filter(|destination| destination.broker == kafka::NAME);
    sources.chain(topics.map(|topic| topic.name.to_string())).collect()
}

/// Returns each source of the route with its dead-letter destination, if it is configured.
fn letters_of(route: &RouteConfig) -> Vec<(&str, Destination)> {
    let Some(rule) = &route.dead_letter else { return Vec::new() };
    route.source.named().map(|source| (source, rule.beside(source))).collect()
}

/// Returns the violated conditions of this route.
pub(super) fn unfit(route: &RouteConfig, facts: &Facts) -> Vec<Unfit> {
    let mut found = Found { route: route.name(), unfit: Vec::new() };
    rights::missing(route, facts, &mut found);
    fitting(route, &facts.rules, &mut found);
    found.unfit
}

/// Adds the violated conditions between the topics of this route.
fn fitting(route: &RouteConfig, rules: &BTreeMap<Arc<str>, Rules>, found: &mut Found<'_>) {
    let is_topic = route.source.broker == kafka::NAME;
    let source_rules = |source: &str| if is_topic { rules.get(source).copied() } else { Some(of_a_queue()) };
    for (source, letters) in letters_of(route) {
        let Some(from) = source_rules(source) else { continue };
        if letters.broker == kafka::NAME {
            if let Some(to) = rules.get(&letters.name) {
                found.letters((source, from), (&letters.name, *to));
            }
        } else if from.largest > LARGEST_OF_SQS + (16 << 10) {
            found.add(
                true,
                format!(
                    "dead-letter queue {} accepts messages of up to 1048576 bytes, its source {source} of up to {}",
                    letters.name, from.largest
                ),
                "a larger record that fails cannot be stored and blocks its key; configure a dead-letter topic",
            );
        }
    }
    let largest = route.source.texts().filter_map(|source| rules.get(source)).map(|rules| rules.largest).max();
    let core = route.route(None);
    let errors = core.errors.as_ref().map(|errors| &errors.name);
    let letters: BTreeSet<Arc<str>> = letters_of(route).into_iter().map(|(_, letters)| letters.name).collect();
    let written: BTreeSet<&Arc<str>> = route.destinations().map(|(destination, _)| &destination.name).collect();
    for topic in written.into_iter().filter(|topic| !letters.contains(*topic)) {
        let Some(to) = rules.get(topic) else { continue };
        if Some(topic) == errors {
            found.errors(topic, *to);
        } else {
            found.outputs(topic, *to, largest);
        }
    }
}

/// Returns the rules of a queue as a source: any timestamp, no retention.
fn of_a_queue() -> Rules {
    let retention = Some(Duration::ZERO);
    Rules { largest: LARGEST_OF_SQS, compacted: false, by_append_time: true, before: None, after: None, retention }
}

struct Found<'a> {
    route: &'a str,
    unfit: Vec<Unfit>,
}

impl Found<'_> {
    fn add(&mut self, is_grave: bool, what: String, remedy: &str) {
        self.unfit.push(Unfit { route: self.route.into(), what, remedy: remedy.to_owned(), is_grave, is_right: false });
    }

    fn right(&mut self, what: String, remedy: &str) {
        self.unfit.push(Unfit {
            route: self.route.into(),
            what,
            remedy: remedy.to_owned(),
            is_grave: true,
            is_right: true,
        });
    }

    fn letters(&mut self, (source, from): (&str, Rules), (topic, to): (&str, Rules)) {
        if to.largest < from.largest {
            let (takes, up_to) = (to.largest, from.largest);
            let what = format!(
                "dead-letter topic {topic} accepts records of up to {takes} bytes, its source {source} of up to {up_to}"
            );
            let remedy = "a larger record that fails cannot be stored and blocks its key; raise max.message.bytes";
            self.add(true, what, remedy);
        }
        if to.compacted {
            let what = format!("dead-letter topic {topic} is compacted");
            let remedy = "a dead letter replaces earlier ones with the same key; set cleanup.policy=delete";
            self.add(true, what, remedy);
        }
        let shorter = match (to.retention, from.retention) {
            (Some(to), Some(from)) => to < from,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if shorter && !to.by_append_time {
            let what = format!(
                "dead-letter topic {topic} has a shorter retention than {source}, counted from record timestamps"
            );
            let remedy =
                "the dead letter of an old record is removed at once; set message.timestamp.type=LogAppendTime";
            self.add(true, what, remedy);
        }
        let stricter = |to: Option<Duration>, from: Option<Duration>| match (to, from) {
            (Some(to), Some(from)) => to < from,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let is_stricter = stricter(to.before, from.before) || stricter(to.after, from.after);
        if is_stricter && !to.by_append_time && !from.by_append_time {
            let what = format!("dead-letter topic {topic} rejects timestamps that its source {source} accepts");
            let remedy = "their dead letters are stored without a timestamp; set message.timestamp.type=LogAppendTime";
            self.add(false, what, remedy);
        }
    }

    fn outputs(&mut self, topic: &str, to: Rules, largest: Option<u64>) {
        if let Some(largest) = largest.filter(|largest| to.largest < *largest) {
            let what = format!(
                "output topic {topic} accepts records of up to {} bytes, the source of up to {largest}",
                to.largest
            );
            self.add(false, what, "a larger output turns its record into a dead letter; raise max.message.bytes");
        }
        if to.compacted {
            let what = format!("output topic {topic} is compacted");
            self.add(
                false,
                what,
                "an output without a key turns its record into a dead letter; give each output a key",
            );
        }
    }

    fn errors(&mut self, topic: &str, to: Rules) {
        if to.compacted {
            let what = format!("error-event topic {topic} is compacted");
            self.add(false, what, "the error event of a record without a key is dropped; set cleanup.policy=delete");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            largest: 1_048_588,
            compacted: false,
            by_append_time: false,
            before: None,
            after: Some(Duration::from_secs(3_600)),
            retention: Some(Duration::from_secs(604_800)),
        }
    }

    fn letters(from: Rules, to: Rules) -> Vec<bool> {
        let mut found = Found { route: "r", unfit: Vec::new() };
        found.letters(("in", from), ("in.dlq", to));
        found.unfit.into_iter().map(|unfit| unfit.is_grave).collect()
    }

    #[test]
    fn topics_of_the_same_rules_fit_and_each_stricter_rule_of_the_dead_letters_is_told() {
        assert!(letters(rules(), rules()).is_empty());
        assert_eq!(letters(rules(), Rules { largest: 1_000, ..rules() }), [true]);
        assert_eq!(letters(rules(), Rules { compacted: true, ..rules() }), [true]);
        assert_eq!(letters(Rules { retention: None, ..rules() }, rules()), [true]);
        assert_eq!(letters(Rules { after: None, ..rules() }, rules()), [false]);
        let by_append_time = Rules { by_append_time: true, ..rules() };
        assert!(letters(Rules { retention: None, after: None, ..rules() }, by_append_time).is_empty());
        let lenient = Rules { largest: u64::MAX, after: None, retention: None, ..rules() };
        assert!(letters(rules(), lenient).is_empty());
    }
}
