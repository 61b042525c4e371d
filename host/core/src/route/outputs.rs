//! Resolves a handler's outputs to publications.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::mem;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{OutputRule, Route};
use crate::envelope::{self, Event, Wrapped, Wrapping};
use crate::event::Trace;
use crate::message::{Header, Headers, Kind, Message, Record};
use crate::outcome::{Code, Failure};
use crate::output::{Layout, Output, Publication};
use crate::template::{Scope, Template};
use crate::time::Time;

impl Route {
    /// Maps each output to its destination.
    ///
    /// # Errors
    /// `contract_broken`: an output names none of the route's outputs, lacks a name that a template needs, or is too
    /// large for its destination. Nothing was published then.
    pub fn resolve(
        &self,
        message: &Message,
        trace: &Trace,
        outputs: Vec<Output>,
        now: Time,
    ) -> Result<Vec<Publication>, Failure> {
        let resolved = outputs.into_iter().enumerate();
        resolved.map(|(index, output)| self.resolve_one(message, trace, index, output, now)).collect()
    }

    fn resolve_one(
        &self,
        message: &Message,
        trace: &Trace,
        index: usize,
        mut output: Output,
        now: Time,
    ) -> Result<Publication, Failure> {
        let rule = self.outputs.get(&*output.to).ok_or_else(|| self.unknown(&output.to))?;
        // Most outputs go to Kafka unchanged and need no id.
        let output_id = OnceCell::new();
        let output_id = || output_id.get_or_init(|| self.output_id(message, index)).as_str();
        let fill = |template: &Option<Template>, output: &Output| match template {
            None => Ok(None),
            Some(template) => {
                let filled = template.fill(Scope { output, message, output_id: output_id() });
                filled.map(Some).map_err(|error| {
                    let text = format!("output `{}`, template `{template}`: {error}", output.to);
                    Failure::contract(Code::INVALID_RESULT, text)
                })
            }
        };
        if output.key.is_none() {
            output.key = match fill(&rule.key, &output)? {
                Some(key) => Some(Bytes::from(key)),
                None => message.record.key.clone(),
            };
        }
        let (mut group, mut deduplication) = (None, None);
        if rule.destination.is_fifo() {
            group = match fill(&rule.group, &output)? {
                Some(group) => Some(group.into()),
                None => Some(text_key(&output)?),
            };
            // An empty id counts as absent: the queue would treat all messages with it as repeats.
            let filled = fill(&rule.deduplication, &output)?.filter(|id| !id.is_empty());
            deduplication = Some(filled.unwrap_or_else(|| output_id().to_owned()).into());
        }
        if (self.source.layout, rule.destination.layout()) == (Layout::Attributes, Layout::Attributes) {
            keep_types(&mut output.headers, &message.record);
        }
        self.add_standard_headers(&mut output.headers, message, trace, now);
        let Wrapped { headers, payload } = self.wrap(rule, message, output_id, &mut output, now)?;
        let size = output.key.as_ref().map_or(0, Bytes::len) + payload.as_ref().map_or(0, Bytes::len);
        if size > rule.max_bytes {
            let (to, limit) = (&output.to, rule.max_bytes);
            let text = format!("output `{to}` has {size} bytes; its destination accepts up to {limit}");
            return Err(Failure::contract(Code::OUTPUT_TOO_LARGE, text));
        }
        let destination = rule.destination.clone();
        Ok(Publication { destination, key: output.key, headers, payload, timestamp_ms: None, group, deduplication })
    }

    /// The id of an output: `<message id>/<digest>/<index>`, the same at every attempt. The digest covers the service, the
    /// route and the identity of the event. Without it, different outputs could have equal ids: of events of two sources
    /// with the same id, of records at the same position of a topic and its recreated successor, and of routes that read the
    /// same event. Consumers and FIFO queues that drop repeats would drop them.
    fn output_id(&self, message: &Message, index: usize) -> String {
        let origin = format!("{}/{} {}", self.service, self.name, message.identity());
        let mut id = format!("{}/", message.id);
        for byte in &Sha256::digest(origin)[..8] {
            let _ = write!(id, "{byte:02x}");
        }
        let _ = write!(id, "/{index}");
        id
    }

    fn unknown(&self, name: &str) -> Failure {
        let known: Vec<&str> = self.outputs.keys().map(|name| &**name).collect();
        let text = format!("route `{}` has no output `{name}`; expected one of: {}", self.name, known.join(", "));
        Failure::contract(Code::UNKNOWN_OUTPUT, text)
    }

    /// Moves headers and payload out of the output into the envelope.
    fn wrap<'a>(
        &self,
        rule: &OutputRule,
        message: &Message,
        output_id: impl Fn() -> &'a str,
        output: &mut Output,
        now: Time,
    ) -> Result<Wrapped, Failure> {
        let (headers, payload) = (mem::take(&mut output.headers), output.payload.take());
        if rule.wrapping == Wrapping::Raw {
            return Ok(Wrapped { headers, payload });
        }
        let time = now.to_string();
        let source = format!("/{}", self.service);
        // An empty value of a required CloudEvents attribute counts as absent.
        let given = |name: &str| {
            let found = output.attributes.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value);
            found.filter(|value| !value.is_empty())
        };
        let kind = given("type").or_else(|| message.attribute("type")).ok_or_else(|| {
            let text = format!("output `{}` has no attribute `type`, which a CloudEvent requires", output.to);
            Failure::contract(Code::INVALID_RESULT, text)
        })?;
        let mut attributes = vec![("specversion", "1.0"), ("id", output_id()), ("type", kind)];
        attributes.push(("source", given("source").unwrap_or(&source)));
        attributes.push(("time", given("time").unwrap_or(&time)));
        for (name, value) in &output.attributes {
            let is_default = name.as_ref() == "datacontenttype" && value.is_empty();
            if is_default || attributes.iter().any(|(taken, _)| *taken == &**name) {
                continue;
            }
            if !envelope::is_attribute_name(name) {
                let text = format!(
                    "output `{}`: invalid CloudEvents attribute name `{name}`; expected a-z and 0-9",
                    output.to
                );
                return Err(Failure::contract(Code::INVALID_RESULT, text));
            }
            attributes.push((name, value));
        }
        if given("datacontenttype").is_none() {
            attributes.push(("datacontenttype", "application/json"));
        }
        let event = Event { attributes, headers, payload };
        Ok(match rule.destination.layout() {
            Layout::Record => envelope::binary(event),
            Layout::Attributes => envelope::structured(event),
        })
    }
}

/// Restores the data types of headers that a handler has passed on with unchanged name and value. The contract with plugins
/// has no data types, so a number would become text.
fn keep_types(headers: &mut Headers, of: &Record) {
    if headers.is_empty() {
        return;
    }
    let typed = of.headers.iter().filter(|header| header.kind != Kind::Text);
    let types: HashMap<_, _> = typed.map(|header| ((header.name, header.value), header.kind)).collect();
    if !types.is_empty() {
        let kind = |header: &Header<'_>| types.get(&(header.name, header.value)).copied();
        *headers =
            headers.iter().map(|header| Header { kind: kind(&header).unwrap_or(header.kind), ..header }).collect();
    }
}

/// FIFO queues need a group, and groups are text.
fn text_key(output: &Output) -> Result<Box<str>, Failure> {
    let broken = |what: &str| {
        let text = format!("output `{}` to a FIFO queue {what}", output.to);
        Failure::contract(Code::INVALID_RESULT, text)
    };
    let key = output.key.as_ref().ok_or_else(|| broken("has neither a group nor a key"))?;
    std::str::from_utf8(key).map(Into::into).map_err(|_| broken("has a key that is not text"))
}
