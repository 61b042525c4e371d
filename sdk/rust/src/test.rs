//! For native tests of handlers: messages, and stand-ins for configuration, key-value store, other hosts and log.
//!
//! Everything here belongs to the thread, and `cargo test` runs every test on a thread of its own, so tests do not see
//! each other.
//!
//! ```
//! use cofferdam_sdk::{config, test};
//!
//! test::set_config("currency", "EUR");
//! let message = test::message().id("m-1").json(&serde_json::json!({ "total": 1 })).attempt(2).build();
//! assert_eq!(message.attempt, 2);
//! assert_eq!(config::require("currency").unwrap(), "EUR");
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;

use crate::keyvalue::Error;
use crate::log::Level;
use crate::{Header, Message, http};

/// Answers requests.
pub(crate) type Answer = Rc<dyn Fn(http::Request) -> Result<http::Response, http::Error>>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) logs: Vec<(Level, String)>,
    pub(crate) http: Option<Answer>,
    values: BTreeMap<(String, String), Vec<u8>>,
    operations_left: Option<u32>,
}

impl World {
    /// The values by bucket and key, for one operation; an error where the test wanted the store to fail by now.
    pub(crate) fn operation(&mut self) -> Result<&mut BTreeMap<(String, String), Vec<u8>>, Error> {
        match &mut self.operations_left {
            Some(0) => return Err(Error::Other("made to fail by the test".to_owned())),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(&mut self.values)
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

pub(crate) fn world<T>(look: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(look)
}

/// Sets a value of the plugin's configuration.
pub fn set_config(name: impl Into<String>, value: impl Into<String>) {
    world(|world| world.config.insert(name.into(), value.into()));
}

/// Lets that many further operations on key-value buckets succeed and all after them fail, until
/// [`mend_keyvalue`]: what a crash of the host in the middle of a handler looks like from the outside.
pub fn fail_keyvalue_after(operations: u32) {
    world(|world| world.operations_left = Some(operations));
}

/// Makes the key-value store work again, with all values kept.
pub fn mend_keyvalue() {
    world(|world| world.operations_left = None);
}

/// Answers the requests of the handler from now on; before, each is [`http::Error::Denied`].
pub fn answer_http(answer: impl Fn(http::Request) -> Result<http::Response, http::Error> + 'static) {
    world(|world| world.http = Some(Rc::new(answer)));
}

/// The lines logged so far, oldest first.
pub fn logs() -> Vec<(Level, String)> {
    world(|world| world.logs.clone())
}

/// Forgets configuration, values, answers and log lines, as if the test began anew.
pub fn reset() {
    world(|world| *world = World::default());
}

/// Begins a message. What is not set: id `test-message`, source `test`, position `0/0`, attempt 1, and no key, headers,
/// attributes or payload.
pub fn message() -> MessageBuilder {
    MessageBuilder(Message {
        id: "test-message".to_owned(),
        source: "test".to_owned(),
        position: "0/0".to_owned(),
        key: None,
        headers: Vec::new(),
        attributes: Vec::new(),
        payload: None,
        timestamp_ms: 0,
        attempt: 1,
    })
}

/// A message being put together.
#[derive(Clone, Debug)]
pub struct MessageBuilder(Message);

impl MessageBuilder {
    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.0.id = id.into();
        self
    }

    /// Sets the topic or queue.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.0.source = source.into();
        self
    }

    /// Sets the position within the source.
    #[must_use]
    pub fn position(mut self, position: impl Into<String>) -> Self {
        self.0.position = position.into();
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.0.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// Adds an attribute of the envelope.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.attributes.push((name.into(), value.into()));
        self
    }

    /// Sets the payload.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.0.payload = Some(payload.into());
        self
    }

    /// Sets the payload to `value` as JSON.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.payload(serde_json::to_vec(value).expect("a test's payload has a JSON form"))
    }

    /// Sets the broker's timestamp, in milliseconds since 1970.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: u64) -> Self {
        self.0.timestamp_ms = timestamp_ms;
        self
    }

    /// Sets the number of the attempt; 1 is the first.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.0.attempt = attempt;
        self
    }

    /// The message.
    pub fn build(self) -> Message {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, keyvalue, log};

    #[test]
    fn a_reset_forgets_everything() {
        set_config("a", "b");
        log::info("line");
        keyvalue::open("c").unwrap().set("k", "v").unwrap();
        fail_keyvalue_after(0);
        reset();
        assert_eq!(config::get("a"), Ok(None));
        assert_eq!(logs(), []);
        assert_eq!(keyvalue::open("c").unwrap().get("k"), Ok(None));
    }

    #[test]
    fn a_failing_store_keeps_what_was_written_before() {
        let bucket = keyvalue::open("c").unwrap();
        fail_keyvalue_after(1);
        bucket.set("a", "1").unwrap();
        assert!(bucket.set("b", "2").is_err());
        mend_keyvalue();
        assert_eq!(bucket.get("a"), Ok(Some(b"1".to_vec())));
        assert_eq!(bucket.get("b"), Ok(None));
    }
}
