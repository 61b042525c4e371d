//! Copies every message to one output, with a key taken from the message where the configuration asks for it.

use cofferdam_sdk::{Failure, Message, Output, config};
use serde_json::Value;

cofferdam_sdk::handler!(handle);

/// Copies the message, headers and attributes included, to the output named by the configuration `to`. The
/// configuration `key`, where set, says where the new key stands: a JSON pointer into the payload (it begins with a
/// slash), else the name of an attribute.
///
/// # Errors
///
/// Permanent `VALIDATION_ERROR` where the message has no such key; deferred `CONFIGURATION_MISSING` without `to`.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let to = config::require("to")?;
    let key = config::get("key")?.map(|place| key_at(&message, &place)).transpose()?;
    let output = Output::copy_of(message, to);
    Ok(vec![match key {
        Some(key) => output.key(key),
        None => output,
    }])
}

fn key_at(message: &Message, place: &str) -> Result<String, Failure> {
    if !place.starts_with('/') {
        return message.required_attribute(place).map(str::to_owned);
    }
    let payload: Value = message.json()?;
    match payload.pointer(place) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(number @ (Value::Number(_) | Value::Bool(_))) => Ok(number.to_string()),
        Some(_) => Err(Failure::validation(format!("{place} in the payload is neither text nor number: no key"))),
        None => Err(Failure::validation(format!("the payload has no {place} to take the key from"))),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_sdk::{FailureKind, test};

    use super::*;

    fn order() -> Message {
        test::message()
            .key("old")
            .header("trace", "1")
            .header("trace", "2")
            .attribute("entityid", "o-1")
            .payload(r#"{ "customer": {"id": 7, "name": "Ada"}, "items": [] }"#)
            .build()
    }

    fn forwarded(key: &str) -> Result<Output, Failure> {
        test::set_config("to", "copies");
        test::set_config("key", key);
        handle(order()).map(|mut outputs| outputs.remove(0))
    }

    #[test]
    fn a_copy_is_byte_for_byte_and_keeps_the_key() {
        test::set_config("to", "copies");
        assert_eq!(handle(order()), Ok(vec![Output::copy_of(order(), "copies")]));
    }

    #[test]
    fn the_key_comes_from_the_payload_or_from_an_attribute() {
        for (place, key) in [("/customer/name", "Ada"), ("/customer/id", "7"), ("entityid", "o-1")] {
            let output = forwarded(place).unwrap();
            assert_eq!(output.key.as_deref(), Some(key.as_bytes()), "{place}");
            assert_eq!((output.headers, output.payload), (order().headers, order().payload));
        }
    }

    #[test]
    fn a_message_without_the_key_is_at_fault_and_nothing_is_sent() {
        for place in ["/customer/email", "/items", "/customer", "subject"] {
            let failure = forwarded(place).unwrap_err();
            assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "VALIDATION_ERROR"), "{place}");
        }
    }

    #[test]
    fn a_tombstone_is_forwarded_as_one() {
        test::set_config("to", "copies");
        let outputs = handle(test::message().key("k").build()).unwrap();
        assert_eq!((outputs[0].key.as_deref(), &outputs[0].payload), (Some(&b"k"[..]), &None));
    }

    #[test]
    fn without_a_destination_the_message_waits_for_the_configuration() {
        assert_eq!(handle(order()).unwrap_err().kind, FailureKind::Deferred);
    }
}
