//! What a handler asks the host to publish.

use serde::Serialize;

use crate::{Failure, Header, Message};

/// One message to publish, once the handler has ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The name of an output of the route.
    pub to: String,
    /// The Kafka key or the SQS message group. None: the route's template, else the key of the message handled.
    pub key: Option<Vec<u8>>,
    /// Headers to write, in this order.
    pub headers: Vec<Header>,
    /// Attributes for the envelope and for the route's templates; each name once.
    pub attributes: Vec<(String, String)>,
    /// What the envelope is to carry; none writes a tombstone.
    pub payload: Option<Vec<u8>>,
}

impl Output {
    /// An output that carries these bytes.
    pub fn new(to: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: Some(payload.into()), ..Self::tombstone(to) }
    }

    /// An output that carries `value` as compact JSON.
    ///
    /// # Errors
    ///
    /// Permanent `SERIALIZATION_FAILED`: the value has no JSON form, such as a map with keys that are no strings.
    pub fn json<T: Serialize + ?Sized>(to: impl Into<String>, value: &T) -> Result<Self, Failure> {
        let to = to.into();
        let payload = serde_json::to_vec(value).map_err(|error| {
            Failure::permanent(
                "SERIALIZATION_FAILED",
                format!("the payload for output {to:?} has no JSON form: {error}"),
            )
        })?;
        Ok(Self::new(to, payload))
    }

    /// An output without a payload: on Kafka, a tombstone.
    pub fn tombstone(to: impl Into<String>) -> Self {
        Self { to: to.into(), key: None, headers: Vec::new(), attributes: Vec::new(), payload: None }
    }

    /// The message itself, for an output: key, headers, attributes and payload as they are.
    pub fn copy_of(message: Message, to: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            key: message.key,
            headers: message.headers,
            attributes: message.attributes,
            payload: message.payload,
        }
    }

    /// Sets the key. It goes before the route's key or group template.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header; the same name may be added again.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// Sets an attribute; one of the same name is replaced, because the host refuses a name that stands twice.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.attributes.iter_mut().find(|(known, _)| *known == name) {
            Some(attribute) => attribute.1 = value,
            None => self.attributes.push((name, value)),
        }
        self
    }

    /// What this output takes of the limit `output_bytes`, which is over all outputs of a call: key, payload, names and
    /// values of headers and attributes, and 32 for each header and attribute.
    pub fn counted_bytes(&self) -> usize {
        let pair = |name: usize, value: usize| name + value + 32;
        let headers: usize = self.headers.iter().map(|header| pair(header.name.len(), header.value.len())).sum();
        let attributes: usize = self.attributes.iter().map(|(name, value)| pair(name.len(), value.len())).sum();
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        length(&self.key) + length(&self.payload) + headers + attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FailureKind, test};

    #[test]
    fn an_attribute_set_twice_stands_once() {
        let output = Output::new("a", "").attribute("type", "one").attribute("subject", "s").attribute("type", "two");
        assert_eq!(output.attributes, [("type".into(), "two".into()), ("subject".into(), "s".into())]);
    }

    #[test]
    fn a_value_without_a_json_form_is_a_permanent_failure_and_no_panic() {
        let no_json = std::collections::BTreeMap::from([(vec![1_u8], 1)]);
        let failure = Output::json("a", &no_json).unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "SERIALIZATION_FAILED"));
    }

    #[test]
    fn a_copy_keeps_key_headers_attributes_and_payload() {
        let message =
            test::message().key("k").header("h", "1").header("h", "2").attribute("a", "b").payload("p").build();
        let copy = Output::copy_of(message.clone(), "elsewhere");
        assert_eq!(copy.to, "elsewhere");
        assert_eq!((copy.key, copy.headers), (message.key, message.headers));
        assert_eq!((copy.attributes, copy.payload), (message.attributes, message.payload));
    }

    #[test]
    fn bytes_are_counted_as_the_host_counts_them() {
        let output = Output::new("ignored", "12345").key("k").header("ab", "c").attribute("d", "ef");
        assert_eq!(output.counted_bytes(), 5 + 1 + (3 + 32) + (3 + 32));
    }
}
