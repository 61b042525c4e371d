//! Checks between several parts of the configuration.

mod overlap;
mod templates;
mod timing;

use std::collections::BTreeMap;

use cofferdam_core::envelope::Envelope;
use cofferdam_core::output::Destination;
use cofferdam_core::route::{DeadLetterRule, Guarantee};

use super::plugin::Places;
use super::read::{At, Reader, Table, show_duration, suggest, topic};
use super::route::Read;
use super::{Config, Kind};
use crate::broker::kafka;

/// Reports all problems and warnings that depend on several parts of the file.
pub(super) fn check(file: &Table<'_>, config: &Config, plugins: &Places, routes: &[Read]) {
    let reader = file.reader;
    let has = |section| file.get(section).is_some();
    names_are_unique(reader, routes);
    overlap::sources_are_apart(reader, routes);
    overlap::members_are_apart(reader, config, routes);
    for read in routes {
        handler_is_there(reader, config, plugins, read);
        brokers_are_there(reader, read, has("kafka"), has("sqs"));
        failures_stay_out(reader, read);
        outputs_stay_out(reader, read);
        types_can_be_told(reader, read);
        transactions_can_hold_it(reader, read);
        timing::waits_fit(reader, config, read);
        templates::names_can_be_there(reader, read);
    }
    for (name, at) in plugins {
        if !routes.iter().any(|read| read.route.handler == *name) {
            reader.warning(at, "no route uses this plugin", "leave it out, or name it as the handler of a route");
        }
    }
}

fn names_are_unique(reader: &Reader<'_>, routes: &[Read]) {
    let mut seen: BTreeMap<&str, &At> = BTreeMap::new();
    for read in routes.iter().filter(|read| !read.route.name().is_empty()) {
        if seen.insert(read.route.name(), &read.name_at).is_some() {
            let what = format!("duplicate route name {:?}", read.route.name());
            reader.problem(&read.name_at, what, "give each route its own name");
        }
    }
}

fn handler_is_there(reader: &Reader<'_>, config: &Config, plugins: &Places, read: &Read) {
    let Some(at) = &read.handler_at else { return };
    let handler = read.route.handler.as_str();
    if !plugins.contains_key(handler) {
        let known: Vec<&str> = plugins.keys().map(String::as_str).collect();
        let remedy = match known.is_empty() {
            true => format!("write [plugins.{handler}] with its path"),
            false => suggest(handler, &known),
        };
        reader.problem(at, format!("unknown plugin {handler:?}"), remedy);
    }
    if let (Some(plugin), Some(lease)) = (config.plugins.get(handler), read.route.source.traits.lease)
        && plugin.limits.wall_time > lease.attempt_limit
    {
        let (wall_time, limit) = (show_duration(plugin.limits.wall_time), show_duration(lease.attempt_limit));
        let what =
            format!("wall_time = {wall_time} of the plugin {handler:?} is longer than max_processing_time = {limit}");
        reader.problem(at, what, "lower wall_time of the plugin, or raise max_processing_time in from of the route");
    }
}

fn brokers_are_there(reader: &Reader<'_>, read: &Read, has_kafka: bool, has_sqs: bool) {
    let complain = |at: &At, destination: Option<&Destination>, is_kafka: bool| {
        let (missing, section, key) = match is_kafka {
            true => (!has_kafka, "[kafka]", "bootstrap_servers"),
            false => (!has_sqs, "[sqs]", "region"),
        };
        if missing {
            let what = match destination {
                Some(destination) => format!("missing section {section} for {destination}"),
                None => format!("missing section {section} for the source"),
            };
            reader.problem(at, what, format!("write {section} and {key} below it"));
        }
    };
    if let Some(at) = &read.from_at {
        complain(at, None, read.route.source.broker == kafka::NAME);
    }
    let parts = read.route.parts();
    let outputs = read.outputs.iter().filter_map(|places| {
        let rule = parts.outputs.get(places.name.as_str())?;
        Some((&places.at, &rule.destination))
    });
    let errors = parts.errors.iter().map(|errors| (&read.errors_at, errors));
    let dead_letters = read.route.dead_letter.iter().filter_map(|rule| match rule {
        DeadLetterRule::To(destination) => Some((&read.dead_letter_at, destination)),
        DeadLetterRule::BesideSource { .. } => None,
    });
    for (at, destination) in outputs.chain(errors).chain(dead_letters) {
        complain(at, Some(destination), destination.broker == kafka::NAME);
    }
}

/// A dead letter or error event that the route reads again would fail again, endlessly.
fn failures_stay_out(reader: &Reader<'_>, read: &Read) {
    let source = &read.route.source;
    for (destination, kind) in read.route.destinations() {
        if kind != Kind::Error || !overlap::feeds(destination, source) {
            continue;
        }
        if read.route.parts().errors.as_ref() == Some(destination) {
            let what = format!(
                "{destination} is also a source of this route: an error event that fails would cause another error event"
            );
            let remedy = "leave errors out, or name another destination";
            reader.warning(&read.errors_at, what, remedy);
        } else {
            let what = format!("{destination} is also a source of this route: its dead letters would loop");
            reader.problem(&read.dead_letter_at, what, "name another destination");
        }
    }
    if !matches!(read.route.dead_letter, Some(DeadLetterRule::BesideSource { .. })) {
        return;
    }
    let Some(at) = &read.from_at else { return };
    for pattern in source.patterns().filter(|pattern| overlap::is_open(pattern)) {
        let what = format!("{pattern:?} also matches the route's own dead-letter topics <topic>.dlq");
        let remedy = "end the expression with a name and $, or name a dead_letter that it does not match";
        reader.problem(at, what, remedy);
    }
    for name in source.named().filter(|name| topic(&format!("{name}.dlq")).is_err()) {
        reader.problem(at, format!("{name}.dlq is too long for a topic"), "name a dead_letter");
    }
}

/// An output that the route reads again is handled again, without end unless the handler ends the loop.
fn outputs_stay_out(reader: &Reader<'_>, read: &Read) {
    let outputs = &read.route.parts().outputs;
    for places in &read.outputs {
        let Some(rule) = outputs.get(places.name.as_str()) else { continue };
        if overlap::feeds(&rule.destination, &read.route.source) {
            let what = format!("{} is also a source of this route: its outputs are handled again", rule.destination);
            reader.warning(&places.at, what, "make sure that the handler ends the loop, or name another destination");
        }
    }
}

/// Exactly-once delivery needs Kafka transactions, which can contain only topics.
fn transactions_can_hold_it(reader: &Reader<'_>, read: &Read) {
    let parts = read.route.parts();
    if parts.delivery != Guarantee::ExactlyOnce {
        return;
    }
    let remedy = "write delivery = \"at_least_once\", and let the consumers of the outputs deduplicate by event id";
    if !read.route.source.traits.transactions {
        let what = "exactly_once needs a kafka source: its transaction contains the offsets, and sqs has none";
        reader.problem(&read.delivery_at, what, remedy);
    }
    if parts.suppress_duplicates {
        let what = "exactly_once cannot be combined with duplicates = \"suppress\": the store of event ids is outside the Kafka transaction";
        reader.problem(&read.delivery_at, what, "leave duplicates out, or write delivery = \"at_least_once\"");
    }
    for (destination, _) in read.route.destinations() {
        if destination.broker != kafka::NAME {
            let what = format!(
                "exactly_once writes all outputs in a Kafka transaction, and {destination} cannot be part of one"
            );
            reader.problem(&read.delivery_at, what, remedy);
        }
    }
}

/// `accept` needs the attribute `type`.
fn types_can_be_told(reader: &Reader<'_>, read: &Read) {
    let parts = read.route.parts();
    let has_type = match &parts.envelope {
        Envelope::CloudEvents => true,
        Envelope::Json(paths) => paths.attributes.iter().any(|(name, _)| **name == *"type"),
        Envelope::Raw => false,
    };
    if parts.accept.is_some() && !has_type {
        let what = "accept needs the attribute \"type\", and this envelope does not set it";
        let remedy = "write envelope = \"cloudevents\", or { json = { attributes = { type = \"/type\" } } }";
        reader.problem(&read.accept_at, what, remedy);
    }
}
