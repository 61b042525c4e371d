//! `[routes.outputs]`: the outputs of a handler, by name.

use std::collections::BTreeMap;

use cofferdam_core::envelope::{Envelope, Wrapping};
use cofferdam_core::output::Destination;
use cofferdam_core::route::OutputRule;
use cofferdam_core::template::Template;

use super::super::read::{At, Table, Value, identifier};
use super::super::sections::Kafka;
use super::destination;
use crate::broker::sqs;

/// The place of an output, and of its templates.
pub(in super::super) struct Places {
    pub(in super::super) name: String,
    pub(in super::super) at: At,
    pub(in super::super) templates: Vec<At>,
}

/// Bytes reserved for headers within the maximum size of a message. The host's own headers and those of a CloudEvent need
/// much less.
const HEADERS: u64 = 16 << 10;

/// Maximum message size that every SQS server accepts. AWS accepts 1 MiB since 2025, if the queue allows it.
const SQS_BYTES: u64 = 256 << 10;
const SQS_MOST: u64 = 1 << 20;

type Outputs = BTreeMap<Box<str>, OutputRule>;

pub(super) fn outputs(route: &Table<'_>, envelope: &Envelope, kafka: Option<&Kafka>) -> (Outputs, Vec<Places>) {
    let (mut rules, mut places) = (Outputs::new(), Vec::new());
    let Some(section) = route.get("outputs") else { return (rules, places) };
    section.table("{ priced = { kafka = \"orders.priced\" } }", |table| {
        for (name, value) in table.entries() {
            if let Err(rule) = identifier(name) {
                value.refuse(format!("invalid output name {name:?}"), rule);
            }
            let mut templates = Vec::new();
            let example = "{ kafka = \"orders.priced\", key = \"{entity_id}\" }";
            let rule = value.table(example, |table| output(&value, table, envelope, kafka, &mut templates));
            if let Some(rule) = rule.flatten() {
                rules.insert(name.into(), rule);
                places.push(Places { name: name.to_owned(), at: value.at().clone(), templates });
            }
        }
    });
    (rules, places)
}

fn output(
    value: &Value<'_>,
    table: &Table<'_>,
    envelope: &Envelope,
    kafka: Option<&Kafka>,
    templates: &mut Vec<At>,
) -> Option<OutputRule> {
    let destination = destination::inside(value, table);
    let is_fifo = destination.as_ref().is_some_and(Destination::is_fifo);
    let mut template = |key| {
        let value = table.get(key)?;
        let template = template(&value)?;
        templates.push(value.at().clone());
        Some(template)
    };
    let (key, group, deduplication) = (template("key"), template("group"), template("deduplication"));
    for key in ["group", "deduplication"] {
        if let (Some(value), false, Some(to)) = (table.get(key), is_fifo, &destination) {
            let remedy = "leave it out, or name a queue that ends in .fifo";
            value.refuse(format!("only a FIFO queue has this key, and {to} is not a FIFO queue"), remedy);
        }
    }
    // A CloudEvents input gives CloudEvents outputs by default, so that the next route can read them with the same envelope.
    let same = if *envelope == Envelope::CloudEvents { Wrapping::CloudEvents } else { Wrapping::Raw };
    let words = [("cloudevents", Wrapping::CloudEvents), ("raw", Wrapping::Raw)];
    let wrapping = table.get("envelope").and_then(|value| value.choice(&words)).unwrap_or(same);
    let (default, most) = match &destination {
        Some(to) if to.broker == sqs::NAME => (SQS_BYTES.saturating_sub(HEADERS), SQS_MOST),
        _ => {
            let most = kafka.map_or(1_000_000, Kafka::message_max_bytes);
            (most.saturating_sub(HEADERS), most)
        }
    };
    let max_bytes = table.get("max_bytes").and_then(|value| value.size(1..=most)).unwrap_or(default);
    let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    Some(OutputRule { destination: destination?, wrapping, key, group, deduplication, max_bytes })
}

fn template(value: &Value<'_>) -> Option<Template> {
    let text = value.full_text("{entity_id}")?;
    match Template::parse(&text) {
        Ok(template) => Some(template),
        Err(error) => {
            value.problem(error, "write names in braces, for example \"{entity_id}-{task_name}\"");
            None
        }
    }
}
