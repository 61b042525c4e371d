//! Plain JSON with attributes at configured paths. The defaults fit the pipeline envelope.

use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::Malformed;
use super::object::{self, Object};
use crate::message::{Message, Record};

/// Where the parts of the envelope stand in the JSON object.
#[derive(Debug, Clone, PartialEq)]
pub struct Paths {
    /// The id; the record's own where there is none.
    pub id: Pointer,
    /// The payload; the whole value where this is `None`.
    pub payload: Option<Pointer>,
    /// Attribute names and where they stand; those that are not there are left out.
    pub attributes: Vec<(Box<str>, Pointer)>,
    /// Names out of `attributes` without which the message is malformed.
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
        Self { id: Pointer::field("id"), payload: None, attributes, required: Vec::new() }
    }
}

/// A JSON pointer (RFC 6901): `/data/order/id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Box<str>);

impl Pointer {
    /// Checks `text`: it begins with a slash. (The empty one, the whole value, is of no use here.)
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
    let bytes = record.payload.as_ref().ok_or_else(|| Malformed("a tombstone carries no JSON envelope".into()))?;
    let object = Object::read(bytes).map_err(|error| Malformed(format!("the value is no JSON object: {error}")))?;
    let mut attributes: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(paths.attributes.len());
    for (name, pointer) in &paths.attributes {
        if let Some(found) = pointer.find(&object) {
            attributes.push((name.clone(), text_at(pointer, found)?));
        }
    }
    for name in &paths.required {
        if !attributes.iter().any(|(key, _)| key == name) {
            return Err(Malformed(format!("the message lacks the required field `{name}`")));
        }
    }
    let id = match paths.id.find(&object) {
        Some(found) => text_at(&paths.id, found)?.into(),
        None => record.id().into(),
    };
    let payload = match &paths.payload {
        None => Some(bytes.clone()),
        Some(pointer) => match pointer.find(&object).map(RawValue::get) {
            None | Some("null") => None,
            Some(found) => Some(bytes.slice_ref(found.as_bytes())),
        },
    };
    Ok(Message { id, record: Arc::clone(record), attributes, payload })
}

fn text_at(pointer: &Pointer, value: &RawValue) -> Result<Box<str>, Malformed> {
    object::text(value).map_err(|error| Malformed(format!("`{pointer}`: {error}")))
}

impl Pointer {
    /// What stands there.
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

/// RFC 6901: digits, without zeros before them.
fn index(name: &str) -> Option<usize> {
    let plain = name == "0" || name.starts_with(|first| matches!(first, '1'..='9'));
    name.parse().ok().filter(|_| plain)
}
