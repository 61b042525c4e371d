//! Bytes for display and for JSON: as text if they are UTF-8, else as base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cofferdam_core::message::Header;
use serde_json::{Map, Value, json};

use crate::escape::Escaped;

/// Inserts UTF-8 as `NAME`, other bytes as `NAME_base64`.
pub(super) fn insert_bytes(fields: &mut Map<String, Value>, name: &str, bytes: Option<&Bytes>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => fields.insert(name.into(), Value::Null),
        Some((_, Ok(text))) => fields.insert(name.into(), text.into()),
        Some((bytes, Err(_))) => fields.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

/// Returns `[name, value]`, with a third element `"base64"` if the value is not UTF-8.
pub(super) fn header(header: Header<'_>) -> Value {
    let name = String::from_utf8_lossy(header.name);
    match header.value.map(|value| (value, std::str::from_utf8(value))) {
        None => json!([name, null]),
        Some((_, Ok(text))) => json!([name, text]),
        Some((value, Err(_))) => json!([name, STANDARD.encode(value), "base64"]),
    }
}

/// Returns the bytes on one line, with control characters escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => Escaped(text).to_string(),
        Err(_) => format!("base64 {}", STANDARD.encode(bytes)),
    }
}
