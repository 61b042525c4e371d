//! A dead letter, taken apart again.

use super::profile::Profile;
use super::reasons::{OriginalKey, Reasons};
use super::{PROFILE, aside, own};
use crate::message::Record;
use crate::output::Layout;
use crate::time::Time;

/// A record of a dead-letter destination: the original, and why it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The original as it once came, with the place it came from. Without reasons: the record itself.
    pub original: Record,
    /// Why it is there, in the words of the host: an original cannot forge it. `None`: not written by a host, or written
    /// without room for them. A queue's own redrive says nothing either.
    pub reasons: Option<Box<Reasons>>,
}

impl Letter {
    /// A record that no host wrote as a letter, such as one that a queue moved itself: whatever its headers claim, it is
    /// the original, and says nothing of why it is there.
    pub fn without_reasons(record: &Record) -> Self {
        Self { original: record.clone(), reasons: None }
    }

    /// Takes a record of a dead-letter topic or queue of this layout apart. Parts that cannot be understood are left out,
    /// never refused.
    pub fn read(record: &Record, layout: Layout) -> Self {
        Self::read_as(PROFILE, record, layout)
    }

    /// Takes a letter of this profile apart.
    pub(super) fn read_as(profile: &dyn Profile, record: &Record, layout: Layout) -> Self {
        let mut original = record.clone();
        let Some(reasons) = profile.read(layout, &mut original.headers) else { return Self::without_reasons(record) };
        aside::restore(&mut original.headers, &reasons);
        own::reveal(profile, &mut original.headers);
        match &reasons.key {
            Some(OriginalKey::Missing) => original.key = None,
            Some(OriginalKey::Bytes(key)) => original.key = Some(key.clone()),
            None => {}
        }
        if let (Some(source), Some(position)) = (&reasons.source, &reasons.position) {
            original.source.clone_from(source);
            original.position.clone_from(position);
        }
        // The time of a message in a queue is that of the letter.
        let stored = original.timestamp_ms.filter(|_| layout == Layout::Record);
        original.timestamp_ms = reasons.timestamp.map(Time::as_millis).or(stored);
        Self { original, reasons: reasons.outcome.is_some().then(|| Box::new(reasons)) }
    }
}
