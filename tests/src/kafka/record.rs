//! Records to produce, and records read from a topic.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::producer::FutureRecord;

/// A record to produce.
#[derive(Clone, Debug, Default)]
pub struct Record {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    partition: Option<i32>,
    timestamp: Option<i64>,
}

/// A record that was read from a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The key, if it has one.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Name and value of each header in order; names may repeat, values may be null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The partition.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// The timestamp in milliseconds since 1970; -1 without one.
    pub timestamp: i64,
}

impl Record {
    /// Creates a record with this value and without a key.
    pub fn new(value: impl Into<Vec<u8>>) -> Record {
        Record { value: Some(value.into()), ..Record::default() }
    }

    /// Creates a record without a value.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Record {
        Record { key: Some(key.into()), ..Record::default() }
    }

    /// Sets the key.
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Record {
        self.key = Some(key.into());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Record {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Adds a header whose value is null.
    pub fn null_header(mut self, name: &str) -> Record {
        self.headers.push((name.to_owned(), None));
        self
    }

    /// Sets the partition, instead of that of the key.
    pub fn partition(mut self, partition: i32) -> Record {
        self.partition = Some(partition);
        self
    }

    /// Sets the timestamp, in milliseconds since 1970, instead of the current time.
    pub fn timestamp(mut self, milliseconds: i64) -> Record {
        self.timestamp = Some(milliseconds);
        self
    }

    /// Converts the record for rdkafka.
    pub(super) fn to<'a>(&'a self, topic: &'a str) -> FutureRecord<'a, Vec<u8>, Vec<u8>> {
        let headers =
            self.headers.iter().fold(OwnedHeaders::new_with_capacity(self.headers.len()), |headers, header| {
                headers.insert(Header { key: &header.0, value: header.1.as_ref() })
            });
        FutureRecord {
            topic,
            partition: self.partition,
            payload: self.value.as_ref(),
            key: self.key.as_ref(),
            timestamp: self.timestamp,
            headers: Some(headers),
        }
    }
}

impl Stored {
    /// Returns the value as text.
    ///
    /// # Panics
    /// The value is null or not UTF-8.
    pub fn text(&self) -> &str {
        let value = self.value.as_deref().expect("the record has a value");
        std::str::from_utf8(value).expect("the value is UTF-8")
    }

    /// Returns the key as text.
    ///
    /// # Panics
    /// The key is null or not UTF-8.
    pub fn key_text(&self) -> &str {
        let key = self.key.as_deref().expect("the record has a key");
        std::str::from_utf8(key).expect("the key is UTF-8")
    }

    /// Returns the value as JSON.
    ///
    /// # Panics
    /// The value is null or not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.text()).expect("the value is JSON")
    }

    /// Returns the value of the first header with this name, as text; `None` if there is none or its value is null.
    ///
    /// # Panics
    /// The value is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|header| header.0 == name)?;
        Some(std::str::from_utf8(value.as_deref()?).expect("the header is UTF-8"))
    }
}

impl From<&BorrowedMessage<'_>> for Stored {
    fn from(record: &BorrowedMessage<'_>) -> Stored {
        let headers = record.headers().into_iter().flat_map(Headers::iter);
        Stored {
            key: record.key().map(<[u8]>::to_vec),
            value: record.payload().map(<[u8]>::to_vec),
            headers: headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp().to_millis().unwrap_or(-1),
        }
    }
}
