//! A dead letter that its destination refuses as it is, with less in it.
//!
//! | refused for | what is set aside |
//! |---|---|
//! | its size | the reasons: the original once had room |
//! | its content, and it has no key | nothing: it gets a key, since a compacted topic takes none without; `no-key` says so |
//! | its content, and it has a timestamp | the timestamp: it stands in `timestamp`, and a replay restores it |
//! | its content, and neither is left | the reasons |

use super::bare;
use super::profile::{Profile, cofferdam};
use super::reasons::{OriginalKey, Reasons};
use crate::message::Record;
use crate::outcome::Code;
use crate::output::{Layout, Publication};
use crate::time::Time;

/// Takes from `letter`, of this record, what it was probably refused for. Returns false where nothing is left to take.
pub(crate) fn lighten(profile: &dyn Profile, letter: &mut Publication, record: &Record, code: &Code) -> bool {
    let of_topic = letter.destination.layout() == Layout::Record;
    let for_content = of_topic && *code != Code::OUTPUT_TOO_LARGE;
    if for_content && letter.key.is_none() {
        letter.key = Some(own_key(record).into());
        amend(profile, letter, |reasons| reasons.key = Some(OriginalKey::Missing));
        return true;
    }
    if for_content && letter.timestamp_ms.is_some() {
        letter.timestamp_ms = None;
        amend(profile, letter, |reasons| reasons.timestamp = reasons.timestamp.or(timestamp(record)));
        return true;
    }
    let mut lighter = bare(profile, record, letter.destination.clone());
    if lighter.timestamp_ms.is_some() && letter.timestamp_ms.is_none() {
        lighter.timestamp_ms = None;
        amend(profile, &mut lighter, |reasons| reasons.timestamp = timestamp(record));
    }
    if lighter.key != letter.key {
        lighter.key.clone_from(&letter.key);
        amend(profile, &mut lighter, |reasons| reasons.key = Some(OriginalKey::Missing));
    }
    let differs = *letter != lighter;
    *letter = lighter;
    differs
}

/// Each letter has another, so that compaction removes none.
fn own_key(record: &Record) -> String {
    cofferdam::header(&record.id())
}

fn timestamp(record: &Record) -> Option<Time> {
    record.timestamp_ms.map(Time::from_millis)
}

/// Changes the reasons of a letter that is written already.
fn amend(profile: &dyn Profile, letter: &mut Publication, change: impl FnOnce(&mut Reasons)) {
    let layout = letter.destination.layout();
    let mut reasons = profile.read(layout, &mut letter.headers).unwrap_or_default();
    change(&mut reasons);
    profile.write(&reasons, layout, &mut letter.headers);
}
