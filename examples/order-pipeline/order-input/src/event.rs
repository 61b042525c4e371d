//! CloudEvents in messages of the message-file format.

use serde_json::{Map, Value, json};

/// The events the pipeline is fed with.
pub(crate) const ORDER_PLACED: &str = "com.example.order.placed";
/// The tasks the splitting handler makes of them.
pub(crate) const ITEM_REQUESTED: &str = "com.example.order.item.requested";

/// A message whose payload is a CloudEvent in structured mode.
pub(crate) fn message(key: &str, event: Map<String, Value>) -> Value {
    message_of(key, Value::Object(event))
}

/// A message that claims to be a CloudEvent in structured mode, whatever its payload is.
pub(crate) fn message_of(key: &str, payload: Value) -> Value {
    json!({ "key": key, "headers": [["content-type", "application/cloudevents+json"]], "payload": payload })
}

/// A CloudEvent about `entity`, with these attributes after the required ones.
pub(crate) fn event(
    kind: &str,
    id: &str,
    entity: &str,
    attributes: &[(&str, &str)],
    data: Value,
) -> Map<String, Value> {
    let mut event = Map::new();
    for (name, value) in
        [("specversion", "1.0"), ("id", id), ("source", "/webshop"), ("type", kind), ("entityid", entity)]
            .iter()
            .chain(attributes)
    {
        event.insert((*name).to_owned(), json!(value));
    }
    event.insert("datacontenttype".to_owned(), json!("application/json"));
    event.insert("data".to_owned(), data);
    event
}
