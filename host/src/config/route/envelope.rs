//! `envelope`: the format around the payload of records.

use cofferdam_core::envelope::{Envelope, Paths, Pointer};

use super::super::read::{Table, Value, suggest};

const EXAMPLE: &str = "\"cloudevents\", \"json\", \"raw\", or { json = { payload = \"/data\" } }";

pub(super) fn envelope(value: &Value<'_>) -> Option<Envelope> {
    if value.is_string() {
        return match value.choice(&[("cloudevents", 0), ("json", 1), ("raw", 2)])? {
            0 => Some(Envelope::CloudEvents),
            1 => Some(Envelope::Json(Paths::default())),
            _ => Some(Envelope::Raw),
        };
    }
    value.table(EXAMPLE, |table| {
        let json = table.require("json", format!("write {EXAMPLE}"))?;
        json.table("{ id = \"/id\", payload = \"/data\" }", paths).map(Envelope::Json)
    })?
}

fn paths(table: &Table<'_>) -> Paths {
    let mut paths = Paths::default();
    if let Some(id) = table.get("id").and_then(|value| pointer(&value)) {
        paths.id = id;
    }
    paths.payload = table.get("payload").and_then(|value| pointer(&value));
    if let Some(value) = table.get("payload_in_string") {
        paths.payload_in_string = value.flag().unwrap_or_default();
        if paths.payload_in_string && paths.payload.is_none() {
            value.problem(
                "payload_in_string needs `payload`, the pointer to the string",
                "add for example payload = \"/Message\"",
            );
        }
    }
    if let Some(value) = table.get("attributes") {
        let given = value.table("{ entity_id = \"/entity/id\" }", |table| {
            table.entries().filter_map(|(name, value)| Some((name.into(), pointer(&value)?))).collect()
        });
        paths.attributes = given.unwrap_or_default();
    }
    if let Some(value) = table.get("required") {
        for name in value.list("[\"entity_id\"]").unwrap_or_default() {
            let Some(text) = name.full_text("entity_id") else { continue };
            if paths.attributes.iter().any(|(known, _)| **known == *text) {
                paths.required.push(text.into());
            } else {
                let known: Vec<&str> = paths.attributes.iter().map(|(known, _)| &**known).collect();
                name.problem(format!("unknown attribute {text:?}"), suggest(&text, &known));
            }
        }
    }
    paths
}

fn pointer(value: &Value<'_>) -> Option<Pointer> {
    let text = value.text("/data")?;
    let pointer = Pointer::parse(&text);
    if pointer.is_none() {
        value.problem(format!("invalid JSON pointer {text:?}"), "begin with a slash, for example \"/data/order/id\"");
    }
    pointer
}
