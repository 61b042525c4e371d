//! `from`: topics of Kafka with a group, or a queue of SQS with its lease.

use std::time::Duration;

use cofferdam_core::source::{Lease, SourceTraits};

use super::super::read::{Table, Value, consumer_group, queue, topic};
use crate::broker::kafka::expression::Expression;

/// Where a route's messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Kafka.
    Kafka {
        /// Names, or regular expressions that begin with `^`; at least one.
        topics: Vec<String>,
        /// The consumer group.
        group: String,
    },
    /// SQS.
    Sqs {
        /// The queue, by name or by address (`http...`).
        queue: String,
        /// How long a lease lasts before it is extended, 1 s to 12 h in whole seconds; 60 s.
        lease: Duration,
        /// How long one attempt may hold a message, `lease` to 12 h in whole seconds; 900 s.
        visibility_timeout: Duration,
        /// How long a poll waits for messages, 0 to 20 s in whole seconds; 5 s.
        wait: Duration,
    },
}

impl Source {
    /// The consumer group, on Kafka.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Kafka { group, .. } => Some(group),
            Self::Sqs { .. } => None,
        }
    }

    /// What it is able to do.
    pub(super) fn traits(&self) -> SourceTraits {
        match self {
            Self::Kafka { .. } => SourceTraits::log(),
            // SQS hides a message for as long as a lease may last, and refuses more.
            Self::Sqs { lease, visibility_timeout, .. } => {
                SourceTraits::leased_queue(Lease { length: *lease, attempt_limit: *visibility_timeout }, HOURS_12)
            }
        }
    }

    /// Topics and expressions, on Kafka.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        let topics = match self {
            Self::Kafka { topics, .. } => topics.as_slice(),
            Self::Sqs { .. } => &[],
        };
        topics.iter().map(String::as_str)
    }

    /// Whether all of it could be read.
    pub(in super::super) fn is_complete(&self) -> bool {
        match self {
            Self::Kafka { topics, .. } => !topics.is_empty(),
            Self::Sqs { queue, .. } => !queue.is_empty(),
        }
    }
}

const HOURS_12: Duration = Duration::from_secs(12 * 3_600);

pub(super) fn source(route: &Table<'_>) -> Source {
    let nothing = Source::Kafka { topics: Vec::new(), group: String::new() };
    let example = "{ kafka = [\"orders.placed\"], group = \"pricing\" }";
    let Some(from) = route.require("from", format!("write from = {example}, or from = {{ sqs = \"tasks.fifo\" }}"))
    else {
        return nothing;
    };
    let read = from.table(example, |table| match (table.get("kafka"), table.get("sqs")) {
        (Some(topics), None) => kafka(table, &topics),
        (None, Some(queue)) => sqs(table, &queue),
        (Some(_), Some(both)) => {
            both.refuse("both kafka and sqs are set", "set one of them, and add a second route for the other");
            // Which of them the other keys are for is anybody's guess.
            for key in ["group", "lease", "visibility_timeout", "wait"] {
                table.get(key);
            }
            nothing.clone()
        }
        (None, None) => {
            from.problem("neither kafka nor sqs is set", format!("write for example {example}"));
            nothing.clone()
        }
    });
    read.unwrap_or(nothing)
}

fn kafka(table: &Table<'_>, value: &Value<'_>) -> Source {
    refuse(table, ["lease", "visibility_timeout", "wait"], "only an sqs source has this key");
    let topics = match value.is_string() {
        true => subscription(value).into_iter().collect(),
        false => several(value),
    };
    let group = table.require("group", "name the consumer group, for example group = \"pricing\"");
    let group = group.and_then(|group| group.name("pricing", consumer_group)).unwrap_or_default();
    Source::Kafka { topics, group }
}

fn several(value: &Value<'_>) -> Vec<String> {
    let list = value.list("[\"orders.placed\"]").unwrap_or_default();
    if list.is_empty() {
        value.problem("the list of topics is empty", "write for example [\"orders.placed\"]");
    }
    let mut topics: Vec<String> = Vec::with_capacity(list.len());
    for element in list {
        let Some(topic) = subscription(&element) else { continue };
        if topics.contains(&topic) {
            element.problem(format!("duplicate topic {topic:?}"), "leave one of them out");
            continue;
        }
        topics.push(topic);
    }
    let expression = topics.iter().find(|topic| topic.starts_with('^'));
    if let (Some(internal), Some(expression)) = (topics.iter().find(|topic| topic.starts_with("__")), expression) {
        let what = format!(
            "{internal:?} cannot be combined with the expression {expression:?}: expressions match no topic that begins with __"
        );
        value.problem(what, "add a second route for it");
    }
    topics
}

/// A topic, or an expression for several.
fn subscription(value: &Value<'_>) -> Option<String> {
    let text = value.text("orders.placed")?;
    if !text.starts_with('^') {
        return value.name("orders.placed", topic);
    }
    if let Err(reason) = Expression::new(&text) {
        let remedy = "expected an extended regular expression of POSIX, for example \"^orders[.].*\"";
        value.problem(format!("{text:?} is not a valid regular expression: {reason}"), remedy);
    }
    // The brokers keep books there: whoever reads `__consumer_offsets` feeds it with each commit.
    if text.starts_with("^__") {
        let remedy = "name the topic itself: kafka = [\"__name\"]";
        value.problem(format!("{text:?} matches no topic: expressions match no topic that begins with __"), remedy);
    }
    Some(text)
}

fn sqs(table: &Table<'_>, value: &Value<'_>) -> Source {
    refuse(table, ["group"], "only a kafka source has this key: all consumers of a queue share its messages");
    let second = Duration::from_secs(1);
    let lease = table.get("lease").and_then(|value| value.seconds(second..=HOURS_12));
    let lease = lease.unwrap_or(Duration::from_secs(60));
    let longest = table.get("visibility_timeout").and_then(|value| value.seconds(lease..=HOURS_12));
    let wait = table.get("wait").and_then(|value| value.seconds(Duration::ZERO..=Duration::from_secs(20)));
    Source::Sqs {
        queue: value.name("tasks.fifo", queue).unwrap_or_default(),
        lease,
        visibility_timeout: longest.unwrap_or(Duration::from_secs(900)).max(lease),
        wait: wait.unwrap_or(Duration::from_secs(5)),
    }
}

fn refuse<const N: usize>(table: &Table<'_>, keys: [&'static str; N], what: &str) {
    for key in keys {
        if let Some(value) = table.get(key) {
            value.refuse(what, "leave it out");
        }
    }
}
