//! Plain JSON with attributes at configured paths. The defaults fit the pipeline envelope.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::Malformed;
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
    /// Checks `text`: empty, or beginning with a slash.
    pub fn parse(text: &str) -> Option<Self> {
        (text.is_empty() || text.starts_with('/')).then(|| Self(text.into()))
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
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| Malformed(format!("the value is no JSON: {error}")))?;
    if !value.is_object() {
        return Err(Malformed("the value is JSON, and no object".into()));
    }
    let mut attributes: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(paths.attributes.len());
    for (name, pointer) in &paths.attributes {
        if let Some(found) = value.pointer(&pointer.0) {
            attributes.push((name.clone(), text(found).into()));
        }
    }
    for name in &paths.required {
        if !attributes.iter().any(|(key, _)| key == name) {
            return Err(Malformed(format!("the message lacks the required field `{name}`")));
        }
    }
    let id = value.pointer(&paths.id.0).map_or_else(|| record.id(), text).into();
    let payload = match &paths.payload {
        None => Some(bytes.clone()),
        Some(pointer) => match value.pointer(&pointer.0) {
            None | Some(Value::Null) => None,
            Some(found) => Some(Bytes::from(found.to_string())),
        },
    };
    Ok(Message { id, record: Arc::clone(record), attributes, payload })
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
