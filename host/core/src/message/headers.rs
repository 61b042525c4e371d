//! Headers: names and values of a message, in order, in one buffer.

use std::fmt::{self, Write};

use super::header::{EACH, Header, Kind};

/// Kafka headers or SQS message attributes, in order; names may repeat.
///
/// Each message and each output has headers, which are written once, read a few times and dropped. So all headers of a
/// message are in one buffer, one after the other: separate ones would each need two allocations or two reference counts.
#[derive(Clone, Default)]
pub struct Headers {
    /// For each header a [`Prefix`], then its name, value and label.
    bytes: Vec<u8>,
    count: usize,
    size: usize,
}

/// The lengths of name, value ([`NONE`] if absent) and label, with four bytes each, little endian; then the [`Tag`].
type Prefix = [u8; 13];

const PREFIX: usize = size_of::<Prefix>();

/// The length of an absent value.
const NONE: u32 = u32::MAX;

/// A [`Kind`] without its label.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Bytes,
    Text,
    Number,
    Labelled,
}

impl Headers {
    /// Makes an empty list with room for `headers` headers whose names and values have `bytes` bytes together.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(headers * PREFIX + bytes), ..Self::default() }
    }

    /// Makes room for further headers.
    pub fn reserve(&mut self, headers: usize, bytes: usize) {
        self.bytes.reserve_exact(headers * PREFIX + bytes);
    }

    /// The number of headers.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size for limits, in bytes: names and values, and 32 for each header.
    pub fn size(&self) -> usize {
        self.size
    }

    /// All headers, in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(&self.bytes)
    }

    /// The value of the last header called `name`, ignoring letter case, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let [text] = self.texts([name]);
        text
    }

    /// The values of several headers, as [`text`](Self::text) returns them, in one pass.
    pub fn texts<const N: usize>(&self, names: [&str; N]) -> [Option<&str>; N] {
        let mut values = [None; N];
        for header in self.iter() {
            let is_called = |name: &&str| header.name.eq_ignore_ascii_case(name.as_bytes());
            if let Some(place) = names.iter().position(is_called) {
                values[place] = header.value;
            }
        }
        values.map(|value| std::str::from_utf8(value?).ok())
    }

    /// Appends a header.
    ///
    /// # Panics
    /// If a name or a value has 4 GiB or more. No broker accepts that, and no guest has so much memory.
    pub fn push(&mut self, header: Header<'_>) {
        let (tag, label) = match header.kind {
            Kind::Bytes => (Tag::Bytes, ""),
            Kind::Text => (Tag::Text, ""),
            Kind::Number => (Tag::Number, ""),
            Kind::Labelled(label) => (Tag::Labelled, label),
        };
        let value = header.value.unwrap_or_default();
        let value_length = header.value.map_or(NONE, |value| length(value.len()));
        self.bytes.reserve(PREFIX + header.name.len() + value.len() + label.len());
        self.bytes.extend_from_slice(&prefix(length(header.name.len()), value_length, length(label.len()), tag));
        self.bytes.extend_from_slice(header.name);
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(label.as_bytes());
        self.count += 1;
        self.size += header.size();
    }

    /// Appends a header whose value is the text that `write` writes.
    ///
    /// # Panics
    /// If `write` fails, and as [`Headers::push`].
    pub fn push_written(&mut self, name: &str, write: impl FnOnce(&mut Written<'_>) -> fmt::Result) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; PREFIX]);
        self.bytes.extend_from_slice(name.as_bytes());
        write(&mut Written(&mut self.bytes)).expect("memory takes it");
        let value = self.bytes.len() - start - PREFIX - name.len();
        let prefix = prefix(length(name.len()), length(value), 0, Tag::Text);
        self.bytes[start..start + PREFIX].copy_from_slice(&prefix);
        self.count += 1;
        self.size += EACH + name.len() + value;
    }

    /// Removes the headers for which `keep` returns false.
    pub fn retain(&mut self, keep: impl FnMut(&Header<'_>) -> bool) {
        *self = self.iter().filter(keep).collect();
    }

    /// Sorts by name; headers with the same name keep their order.
    pub fn sort_by_name(&mut self) {
        let mut sorted: Vec<Header<'_>> = self.iter().collect();
        sorted.sort_by_key(|header| header.name);
        *self = sorted.into_iter().collect();
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).ok().filter(|length| *length != NONE).expect("a header has less than 4 GiB")
}

fn prefix(name: u32, value: u32, label: u32, tag: Tag) -> Prefix {
    let mut prefix = [tag as u8; PREFIX];
    for (place, length) in prefix.chunks_exact_mut(4).zip([name, value, label]) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    prefix
}

/// Headers, in order.
#[derive(Clone)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let (prefix, mut rest) = self.0.split_first_chunk::<PREFIX>()?;
        let length = |at: usize| u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]);
        let mut part = |length: u32| rest.split_off(..length as usize).expect("a length is that of what follows");
        let name = part(length(0));
        let value = Some(length(4)).filter(|length| *length != NONE).map(&mut part);
        let label = part(length(8));
        self.0 = rest;
        let kind = match prefix[12] {
            tag if tag == Tag::Bytes as u8 => Kind::Bytes,
            tag if tag == Tag::Text as u8 => Kind::Text,
            tag if tag == Tag::Number as u8 => Kind::Number,
            _ => Kind::Labelled(std::str::from_utf8(label).expect("labels are text")),
        };
        Some(Header { name, value, kind })
    }
}

/// A value that is being written.
pub struct Written<'a>(&'a mut Vec<u8>);

impl Write for Written<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<'a> Extend<Header<'a>> for Headers {
    fn extend<I: IntoIterator<Item = Header<'a>>>(&mut self, headers: I) {
        headers.into_iter().for_each(|header| self.push(header));
    }
}

impl<'a> FromIterator<Header<'a>> for Headers {
    fn from_iter<I: IntoIterator<Item = Header<'a>>>(headers: I) -> Self {
        let mut all = Self::default();
        all.extend(headers);
        all
    }
}

impl<const N: usize> From<[Header<'_>; N]> for Headers {
    fn from(headers: [Header<'_>; N]) -> Self {
        headers.into_iter().collect()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
