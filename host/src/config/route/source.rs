//! `from`: Kafka topics with a consumer group, or an SQS queue with its visibility timeout.

use std::time::Duration;

use cofferdam_core::source::{Lease, SourceTraits};

use super::super::read::{Table, Value, consumer_group, queue, show_duration, topic};
use crate::broker::kafka::expression::Expression;
use crate::broker::{kafka, sqs};
use crate::plan::{Name, Source};

const HOURS_12: Duration = Duration::from_secs(12 * 3_600);

/// The default wait time of a poll.
const WAIT: Duration = Duration::from_secs(5);

pub(super) fn source(route: &Table<'_>) -> Source {
    let nothing = Source {
        broker: kafka::NAME,
        names: Vec::new(),
        group: None,
        wait: Duration::ZERO,
        traits: SourceTraits::log(),
    };
    let example = "{ kafka = [\"orders.placed\"], group = \"pricing\" }";
    let Some(from) = route.require("from", format!("write from = {example}, or from = {{ sqs = \"tasks.fifo\" }}"))
    else {
        return nothing;
    };
    let read = from.table(example, |table| match (table.get("kafka"), table.get("sqs")) {
        (Some(topics), None) => of_topics(table, &topics),
        (None, Some(queue)) => of_queue(table, &queue),
        (Some(_), Some(both)) => {
            both.refuse("both kafka and sqs are set", "set one of them, and add a second route for the other");
            // It is unknown which of the two brokers the other keys belong to.
            for key in ["group", "visibility_timeout", "max_processing_time", "wait"] {
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

fn of_topics(table: &Table<'_>, value: &Value<'_>) -> Source {
    refuse(table, ["visibility_timeout", "max_processing_time", "wait"], "only an sqs source has this key");
    let topics = match value.is_string() {
        true => subscription(value).into_iter().collect(),
        false => several(value),
    };
    let group = table.require("group", "name the consumer group, for example group = \"pricing\"");
    let group = group.and_then(|group| group.name("pricing", consumer_group)).unwrap_or_default();
    let name = |text: String| Name { is_pattern: text.starts_with('^'), text };
    let names = topics.into_iter().map(name).collect();
    Source { broker: kafka::NAME, names, group: Some(group), wait: Duration::ZERO, traits: SourceTraits::log() }
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

/// A topic, or an expression that matches several.
fn subscription(value: &Value<'_>) -> Option<String> {
    let text = value.text("orders.placed")?;
    if !text.starts_with('^') {
        return value.name("orders.placed", topic);
    }
    if let Err(reason) = Expression::new(&text) {
        let remedy = "expected an extended regular expression of POSIX, for example \"^orders[.].*\"";
        value.problem(format!("{text:?} is not a valid regular expression: {reason}"), remedy);
    }
    // These are internal topics of the brokers. A consumer of `__consumer_offsets` would add a record to it with each
    // commit.
    if text.starts_with("^__") {
        let remedy = "name the topic itself: kafka = [\"__name\"]";
        value.problem(format!("{text:?} matches no topic: expressions match no topic that begins with __"), remedy);
    }
    Some(text)
}

fn of_queue(table: &Table<'_>, value: &Value<'_>) -> Source {
    refuse(table, ["group"], "only a kafka source has this key: all consumers of a queue share its messages");
    let second = Duration::from_secs(1);
    let length = table.get("visibility_timeout").and_then(|value| value.seconds(second..=HOURS_12));
    let length = length.unwrap_or(Duration::from_secs(60));
    let longest = table.get("max_processing_time").and_then(|value| value.seconds(length..=HOURS_12));
    let wait = table.get("wait").and_then(|value| value.seconds(Duration::ZERO..=Duration::from_secs(20)));
    // A message may arrive at the end of a poll, and its visibility timeout counts from the start of the poll here: only the
    // server knows when it sent the message.
    let most = Duration::from_secs(length.as_secs() * 2 / 3);
    if let (Some(value), Some(wait)) = (table.get("wait"), wait)
        && wait > most
    {
        let (most, length) = (show_duration(most), show_duration(length));
        let what = format!(
            "wait = {} is too long for visibility_timeout = {length}: the timeout of a message counts from the start of its \
             poll; expected at most {most}",
            show_duration(wait)
        );
        value.problem(what, "lower wait, or raise visibility_timeout");
    }
    let attempt_limit = longest.unwrap_or(Duration::from_secs(900)).max(length);
    let name = value.name("tasks.fifo", queue).map(|text| Name { text, is_pattern: false });
    Source {
        broker: sqs::NAME,
        names: name.into_iter().collect(),
        group: None,
        wait: wait.unwrap_or(WAIT).min(most),
        // A returned message is delayed by its visibility timeout, which SQS limits to 12 hours.
        traits: SourceTraits::leased_queue(Lease { length, attempt_limit }, HOURS_12),
    }
}

fn refuse<const N: usize>(table: &Table<'_>, keys: [&'static str; N], what: &str) {
    for key in keys {
        if let Some(value) = table.get(key) {
            value.refuse(what, "leave it out");
        }
    }
}
