//! Plain JSON with attributes at configured paths. The defaults fit the pipeline envelope.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Malformed;
use super::object::{self, Object};
use crate::message::{Message, Record, Unique};

/// The paths of the parts of the envelope in the JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct Paths {
    /// The path of the id, which is unique within the topic or queue. Without an id, or with an empty one, the record's own
    /// id is used.
    pub id: Pointer,
    /// The path of the payload; `None`: the whole value is the payload.
    pub payload: Option<Pointer>,
    /// Whether the value at `payload` is a string that contains the payload, as in messages of SNS. Any other value except
    /// null is malformed.
    pub payload_in_string: bool,
    /// Attribute names and their paths; missing attributes are omitted.
    pub attributes: Vec<(Box<str>, Pointer)>,
    /// Names of `attributes` that are required; a message without one is malformed.
    pub required: Vec<Box<str>>,
}

const PIPELINE: [&str; 10] = [
    "entity_id",
    "timestamp",
    "organization",
    "domain",
    "source_service",
    "task_name",
    "task_config",
    "metadata",
    "retry_count",
    "total_tasks",
];

impl Default for Paths {
    fn default() -> Self {
        let attributes = PIPELINE.iter().map(|name| ((*name).into(), Pointer::field(name))).collect();
        Self { id: Pointer::field("id"), payload: None, payload_in_string: false, attributes, required: Vec::new() }
    }
}

/// A JSON pointer (RFC 6901): `/data/order/id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Box<str>);

impl Pointer {
    /// Checks `text`, which must begin with a slash. (The empty pointer, the whole value, is of no use here.)
    pub fn parse(text: &str) -> Option<Self> {
        text.starts_with('/').then(|| Self(text.into()))
    }

    fn field(name: &str) -> Self {
        Self(format!("/{name}").into())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn decode(record: &Arc<Record>, paths: &Paths) -> Result<Message, Malformed> {
    let bytes = record.payload.as_ref().ok_or_else(|| Malformed("a tombstone has no JSON envelope".into()))?;
    let object = Object::read(bytes).map_err(|error| Malformed(format!("the value is {error}")))?;
    let mut attributes: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(paths.attributes.len());
    for (name, pointer) in &paths.attributes {
        if let Some(text) = text_at(pointer, &object)? {
            attributes.push((name.clone(), text));
        }
    }
    for name in &paths.required {
        if !attributes.iter().any(|(key, _)| key == name) {
            return Err(Malformed(format!("missing required field `{name}`")));
        }
    }
    let payload = match &paths.payload {
        None => Some(bytes.clone()),
        Some(pointer) => match pointer.find(&object).map(RawValue::get) {
            // A missing payload is no tombstone: consumers of the outputs would delete data that the message did not name.
            None => {
                return Err(Malformed(format!("no payload at `{pointer}`; expected a value, or null for a tombstone")));
            }
            Some("null") => None,
            Some(found) if paths.payload_in_string => Some(unwrapped(pointer, found)?),
            Some(found) => Some(bytes.slice_ref(found.as_bytes())),
        },
    };
    let message = Message { attributes, payload, ..Arc::clone(record).into() };
    Ok(match id(&paths.id, &object)? {
        Some(id) => Message { id: id.into(), unique: Unique::Source, ..message },
        None => message,
    })
}

/// The payload inside a JSON string.
fn unwrapped(pointer: &Pointer, value: &str) -> Result<Bytes, Malformed> {
    serde_json::from_str::<String>(value).map(Bytes::from).map_err(|_| {
        let kind = match value.as_bytes()[0] {
            b'{' => "an object",
            b'[' => "an array",
            b'"' => "a string with an invalid escape",
            b't' | b'f' => "a boolean",
            _ => "a number",
        };
        Malformed(format!(
            "the payload at `{pointer}` is {kind}; expected a string that holds it (`payload_in_string`)"
        ))
    })
}

/// The event id; an empty one counts as absent.
fn id(pointer: &Pointer, object: &Object<'_>) -> Result<Option<Box<str>>, Malformed> {
    if let Some(what) = pointer.find(object).and_then(object::no_name) {
        return Err(Malformed(format!("the id at `{pointer}` is {what}; expected a string or a number")));
    }
    Ok(text_at(pointer, object)?.filter(|id| !id.is_empty()))
}

fn text_at(pointer: &Pointer, object: &Object<'_>) -> Result<Option<Box<str>>, Malformed> {
    let Some(value) = pointer.find(object) else { return Ok(None) };
    object::text(value).map_err(|error| Malformed(format!("`{pointer}`: {error}")))
}

impl Pointer {
    /// The value at this pointer.
    fn find<'a>(&self, object: &Object<'a>) -> Option<&'a RawValue> {
        let mut names = self.0.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
        let first = object.get(&names.next()?)?;
        names.try_fold(first, |value, name| match value.get().as_bytes() {
            [b'{', ..] => Object::read(value.get().as_bytes()).ok()?.get(&name),
            [b'[', ..] => serde_json::from_str::<Vec<&RawValue>>(value.get()).ok()?.get(index(&name)?).copied(),
            _ => None,
        })
    }
}

/// An array index by RFC 6901: digits, without leading zeros.
fn index(name: &str) -> Option<usize> {
    let plain = name == "0" || name.starts_with(|first| matches!(first, '1'..='9'));
    name.parse().ok().filter(|_| plain)
}
