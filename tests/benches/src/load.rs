//! The messages that everybody is given: 1 KiB of something like JSON that compresses to about a half, a key of 16
//! bytes, four headers.

use kit::Record;

/// How many keys there are, unless a benchmark says otherwise.
pub(crate) const KEYS: u32 = 10_000;

/// Names and values of the headers; 88 bytes together.
pub(crate) const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("trace-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ("tenant", "north"),
    ("schema", "order-v7"),
];

/// The key of the message with this number.
pub(crate) fn key(number: u32, keys: u32) -> String {
    format!("customer-{:07}", number % keys)
}

/// `size` bytes; half of them can be guessed.
pub(crate) fn payload(number: u32, size: usize) -> String {
    let mut text = String::with_capacity(size + 64);
    text.push_str(&format!(r#"{{"order":{number},"items":["#));
    let mut noise = u64::from(number) | 1 << 40;
    while text.len() < size {
        // xorshift64: no meaning, and the same in each run.
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        text.push_str(&format!(r#"{{"sku":"{noise:016x}","quantity":1}},"#));
    }
    text.truncate(size.saturating_sub(2));
    text.push_str("]}");
    text
}

/// A whole record.
pub(crate) fn record(number: u32, keys: u32, size: usize) -> Record {
    let record = Record::new(payload(number, size)).key(key(number, keys));
    HEADERS.iter().fold(record, |record, (name, value)| record.header(name, *value))
}
