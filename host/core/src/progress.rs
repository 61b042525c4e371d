//! Commit metadata: its identity, the finished offsets above the commit point, and the attempts already made.
//!
//! Text of at most [`LIMIT`] bytes: `cf2:` and, in base64 (URL alphabet, no padding), numbers as LEB128:
//!
//! ```text
//! base                                     the offset that the commit is for
//! (tag length bytes)… 0                    fields; readers skip unknown tags
//!                                          1: the identity, three digests of 4 bytes, little endian
//! count, (offset attempt since)…           attempted, unsettled records: offset less the one before,
//!                                          number of the next attempt, when first received (seconds, zigzag, less the
//!                                          one before)
//! (skip run)…                              numbers of unfinished and then finished offsets, from `base` on
//! ```
//!
//! `cf1:` is the previous format, without fields. The commit of a transaction has a [`Mark`] after this text, which is not
//! part of the progress.
//!
//! Other tools move a group's offsets and keep the metadata: mirroring, restore and copying. So metadata counts only for
//! the cluster, topic, partition and offset that it was written for ([`resume`]).
//!
//! The idea of an offset map in the metadata comes from Confluent's Parallel Consumer. Run lengths suffice here: the finished
//! offsets above a commit point are long runs between a few waiting records.

mod identity;
mod resume;

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

pub use identity::Identity;
pub use resume::{Differs, Ignored, Resumption, resume};

use crate::mark::Mark;
use crate::time::Time;

/// Longest metadata that is read, in bytes: the default of brokers (`offset.metadata.max.bytes`).
pub const LIMIT: usize = 4096;

const PREFIX: &str = "cf2:";
const PREFIX_WITHOUT_FIELDS: &str = "cf1:";

/// Tag of the identity among the fields.
const IDENTITY: u64 = 1;

/// Size of the fields in bytes: tag, length and content of the identity, and the end.
const FIELDS: usize = 2 + identity::BYTES + 1;

/// Bytes before base64 in metadata of at most `most`.
const fn bytes(most: usize) -> usize {
    most.saturating_sub(PREFIX.len()) / 4 * 3
}

/// Bytes for progress in metadata of at most `most`.
pub(crate) const fn room(most: usize) -> usize {
    bytes(most).saturating_sub(FIELDS)
}

/// Maximum bytes of one tried record, if its neighbours are less than two million offsets away and arrived within a month.
pub(crate) const TRIED: usize = 3 + 2 + 4;

/// Maximum bytes of one run that begins less than two million offsets after the one before and has less than 268 million
/// offsets.
pub(crate) const RUN: usize = 3 + 4;

/// The progress of a partition beyond its committed offset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Finished offsets above the commit point, rising, not touching.
    pub finished: Vec<Range<i64>>,
    /// Attempted, unsettled records, by offset.
    pub tried: BTreeMap<i64, Tried>,
}

/// The attempts of an unsettled record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// The number of its next attempt, from 1.
    pub attempt: u32,
    /// The time of the first receive, in whole seconds after encoding.
    pub since: Time,
}

/// Metadata for a commit.
pub(crate) struct Measured {
    pub(crate) text: Box<str>,
    /// Size of the attempted records before base64, in bytes.
    pub(crate) tried: usize,
    /// The first finished offset that did not fit.
    pub(crate) left_out: Option<i64>,
}

/// Metadata as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The offset that the commit was for.
    pub base: i64,
    /// The partition that the commit was for; unknown in the format without fields.
    pub identity: Identity,
    /// The progress.
    pub progress: Progress,
}

/// The metadata was written by another program or in an unknown version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not written by a version that this one can read")]
pub struct Unreadable;

impl Progress {
    /// The metadata for a commit of `base`, of at most `most` bytes. If it does not fit, the highest finished
    /// offsets are omitted, and a restart repeats them. Empty without progress and without a topic id.
    pub fn encode(&self, base: i64, identity: Identity, most: usize) -> Box<str> {
        self.measured(base, identity, most).text
    }

    /// Like [`Progress::encode`], with its sizes.
    pub(crate) fn measured(&self, base: i64, identity: Identity, most: usize) -> Measured {
        if self.is_empty() && !identity.has_topic() {
            return Measured { text: "".into(), tried: 0, left_out: None };
        }
        let room = bytes(most);
        let mut bytes = Vec::with_capacity(64);
        put(&mut bytes, base.max(0).unsigned_abs());
        put(&mut bytes, IDENTITY);
        put(&mut bytes, identity::BYTES as u64);
        bytes.extend(identity.to_bytes());
        put(&mut bytes, 0);
        self.put_tried(base, room, &mut bytes);
        let tried = bytes.len();
        let mut left_out = None;
        let mut end = base;
        for run in &self.finished {
            let before = bytes.len();
            put(&mut bytes, run.start.abs_diff(end));
            put(&mut bytes, run.end.abs_diff(run.start));
            if bytes.len() > room {
                bytes.truncate(before);
                left_out = Some(run.start);
                break;
            }
            end = run.end;
        }
        Measured { text: format!("{PREFIX}{}", BASE64.encode(bytes)).into(), tried, left_out }
    }

    fn put_tried(&self, base: i64, room: usize, bytes: &mut Vec<u8>) {
        let mut list = Vec::new();
        let (mut count, mut last) = (0_u64, (base, 0_u64));
        for (offset, tried) in &self.tried {
            let (before, seconds) = (list.len(), tried.since.as_millis() / 1_000);
            put(&mut list, offset.abs_diff(last.0));
            put(&mut list, tried.attempt.into());
            put(&mut list, zigzag(seconds.cast_signed().wrapping_sub(last.1.cast_signed())));
            // Reserves room for the count and the base before it.
            if bytes.len() + list.len() + 3 > room {
                list.truncate(before);
                break;
            }
            (count, last) = (count + 1, (*offset, seconds));
        }
        put(bytes, count);
        bytes.extend(list);
    }

    /// Decodes the progress in the metadata of a commit without checking its identity ([`resume`] does). Empty metadata
    /// means no progress.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(metadata: &str) -> Result<Self, Unreadable> {
        Ok(Written::decode(metadata)?.map(|written| written.progress).unwrap_or_default())
    }

    fn take(bytes: &mut &[u8], base: i64) -> Option<Self> {
        let mut progress = Self::default();
        let (mut offset, mut seconds) = (base, 0_i64);
        for index in 0..take(bytes)? {
            let step = i64::try_from(take(bytes)?).ok().filter(|step| index == 0 || *step > 0)?;
            offset = offset.checked_add(step)?;
            let attempt = u32::try_from(take(bytes)?).ok().filter(|attempt| *attempt > 0)?;
            seconds = seconds.checked_add(unzigzag(take(bytes)?))?;
            let millis = u64::try_from(seconds).ok()?.checked_mul(1_000)?;
            let since = Some(Time::from_millis(millis)).filter(|since| since.as_millis() == millis)?;
            progress.tried.insert(offset, Tried { attempt, since });
        }
        let mut end = base;
        while !bytes.is_empty() {
            let start = end.checked_add_unsigned(take(bytes)?)?;
            let run = take(bytes).filter(|run| *run > 0)?;
            end = start.checked_add_unsigned(run)?;
            progress.finished.push(start..end);
        }
        Some(progress)
    }

    /// Removes everything below `offset`.
    pub(crate) fn forget_below(&mut self, offset: i64) {
        let gone = self.finished.partition_point(|run| run.end <= offset);
        self.finished.drain(..gone);
        if let Some(first) = self.finished.first_mut() {
            first.start = first.start.max(offset);
        }
        if self.tried.first_key_value().is_some_and(|(first, _)| *first < offset) {
            self.tried = self.tried.split_off(&offset);
        }
    }

    /// Whether there is no progress.
    pub(crate) fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.tried.is_empty()
    }

    /// Whether this offset is finished.
    pub(crate) fn is_finished(&self, offset: i64) -> bool {
        let index = self.finished.partition_point(|run| run.end <= offset);
        self.finished.get(index).is_some_and(|run| run.start <= offset)
    }
}

impl Written {
    /// Decodes the metadata of a commit; `None` if it is empty.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(metadata: &str) -> Result<Option<Self>, Unreadable> {
        let (metadata, _) = Mark::split(metadata);
        if metadata.is_empty() {
            return Ok(None);
        }
        let with_fields = metadata.strip_prefix(PREFIX);
        let text = with_fields.or_else(|| metadata.strip_prefix(PREFIX_WITHOUT_FIELDS));
        let text = text.filter(|_| metadata.len() <= LIMIT).ok_or(Unreadable)?;
        let bytes = BASE64.decode(text).map_err(|_| Unreadable)?;
        Self::take(&mut bytes.as_slice(), with_fields.is_some()).map(Some).ok_or(Unreadable)
    }

    fn take(bytes: &mut &[u8], with_fields: bool) -> Option<Self> {
        let base = i64::try_from(take(bytes)?).ok()?;
        let mut identity = Identity::default();
        loop {
            let tag = if with_fields { take(bytes)? } else { 0 };
            if tag == 0 {
                break;
            }
            let length = usize::try_from(take(bytes)?).ok()?;
            let (field, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            if tag == IDENTITY {
                identity = Identity::from_bytes(field)?;
            }
        }
        Some(Self { base, identity, progress: Progress::take(bytes, base)? })
    }
}

/// LEB128.
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        // The last byte has room for one bit.
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Zigzag: maps small signed numbers to small unsigned ones.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests;
