//! Metrics for each topic or queue that a route reads.

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_core::action::Fate;
use cofferdam_core::outcome::Code;
use metrics::{Counter, Histogram, counter, histogram};

/// Handles by topic; one for each topic of the route.
#[derive(Debug)]
pub(super) struct Topics {
    group: Arc<str>,
    topics: Vec<Topic>,
    index: HashMap<Arc<str>, usize>,
    /// Index of the last used topic: consecutive records are usually of the same topic.
    last: usize,
}

/// Handles of one topic.
#[derive(Debug)]
pub(super) struct Topic {
    name: Arc<str>,
    consumed: [Counter; FATES.len()],
    pub(super) duration: Histogram,
    dead_lettered: HashMap<Code, Counter>,
}

/// In the order of declaration, so that a fate is its index.
const FATES: [Fate; 7] =
    [Fate::Done, Fate::DeadLettered, Fate::Ignored, Fate::Duplicate, Fate::Released, Fate::Revoked, Fate::Abandoned];

/// Returns the label of a fate in metrics and log lines.
pub(super) const fn status(fate: Fate) -> &'static str {
    match fate {
        Fate::Done => "done",
        Fate::DeadLettered => "dead_lettered",
        Fate::Ignored => "ignored",
        Fate::Duplicate => "duplicate",
        Fate::Released => "released",
        Fate::Revoked => "revoked",
        Fate::Abandoned => "abandoned",
    }
}

impl Topics {
    pub(super) fn new(group: Arc<str>) -> Self {
        Self { group, topics: Vec::new(), index: HashMap::new(), last: 0 }
    }

    /// Returns the label `consumer_group`.
    pub(super) fn group(&self) -> &str {
        &self.group
    }

    /// Returns the handles of `topic`. Creates them for a new topic.
    pub(super) fn of(&mut self, topic: &Arc<str>) -> &mut Topic {
        if self.topics.get(self.last).is_none_or(|last| last.name != *topic) {
            self.last = match self.index.get(topic) {
                Some(index) => *index,
                None => self.add(topic),
            };
        }
        &mut self.topics[self.last]
    }

    fn add(&mut self, topic: &Arc<str>) -> usize {
        let index = self.topics.len();
        self.topics.push(Topic::new(Arc::clone(topic), &self.group));
        self.index.insert(Arc::clone(topic), index);
        index
    }
}

impl Topic {
    fn new(name: Arc<str>, group: &Arc<str>) -> Self {
        let labels = || (Arc::clone(&name), Arc::clone(group));
        let consumed = FATES.map(|fate| {
            let (topic, group) = labels();
            counter!(
                "messages_consumed_total",
                "topic" => topic, "consumer_group" => group, "status" => status(fate)
            )
        });
        let (topic, group) = labels();
        let duration = histogram!("message_processing_duration_seconds", "topic" => topic, "consumer_group" => group);
        Self { name, consumed, duration, dead_lettered: HashMap::new() }
    }

    /// Returns the counter of deliveries with this fate.
    pub(super) fn consumed(&self, fate: Fate) -> &Counter {
        &self.consumed[fate as usize]
    }

    /// Counts a message that was stored as a dead letter. `code` must be from a bounded set.
    pub(super) fn dead_lettered(&mut self, code: Code) {
        if let Some(counter) = self.dead_lettered.get(&code) {
            counter.increment(1);
            return;
        }
        let topic = Arc::clone(&self.name);
        let counter = counter!("dlq_messages_total", "topic" => topic, "error_type" => code.as_str().to_owned());
        counter.increment(1);
        self.dead_lettered.insert(code, counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_has_the_counter_of_its_own_name() {
        for (index, fate) in FATES.into_iter().enumerate() {
            assert_eq!(fate as usize, index, "{fate:?}");
        }
    }

    #[test]
    fn a_topic_is_found_by_its_name_whoever_holds_the_name() {
        let mut topics = Topics::new("g".into());
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        for name in [&one, &two, &one, &Arc::from("one"), &two] {
            assert_eq!(topics.of(name).name, *name);
        }
        assert_eq!(topics.topics.len(), 2);
    }
}
