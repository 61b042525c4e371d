//! A dead letter that its destination refuses as it is, with less in it.
//!
//! | refused for | what is set aside |
//! |---|---|
//! | its size | the reasons: the original once had room |
//! | its content, and it has no key | nothing: it gets a key, since a compacted topic takes none without; `no-key` says so |
//! | its content, and it has a timestamp | the timestamp: it stands in `timestamp`, and a replay restores it |
//! | its content, and neither is left | the reasons |

use super::{PREFIX, bare};
use crate::message::{Header, Record};
use crate::outcome::Code;
use crate::output::{Layout, Publication};
use crate::time::Time;

/// Among the reasons: the original has no key.
pub(super) const NO_KEY: &str = "no-key";

/// Takes from `letter`, of this record, what it was probably refused for. Returns false where nothing is left to take.
pub(crate) fn lighten(letter: &mut Publication, record: &Record, code: &Code) -> bool {
    let of_topic = letter.destination.layout() == Layout::Record;
    let for_content = of_topic && *code != Code::OUTPUT_TOO_LARGE;
    if for_content && letter.key.is_none() {
        letter.key = Some(own_key(record).into());
        letter.headers.push(Header::text(&name(NO_KEY), "true"));
        return true;
    }
    if for_content && letter.timestamp_ms.is_some() {
        letter.timestamp_ms = None;
        if !letter.headers.iter().any(|header| header.name == name("timestamp").as_bytes()) {
            put_timestamp(letter, record);
        }
        return true;
    }
    let mut lighter = bare(record, letter.destination.clone());
    if lighter.timestamp_ms.is_some() && letter.timestamp_ms.is_none() {
        lighter.timestamp_ms = None;
        put_timestamp(&mut lighter, record);
    }
    if lighter.key != letter.key {
        lighter.key.clone_from(&letter.key);
        lighter.headers.push(Header::text(&name(NO_KEY), "true"));
    }
    let differs = *letter != lighter;
    *letter = lighter;
    differs
}

/// Each letter has another, so that compaction removes none.
fn own_key(record: &Record) -> String {
    format!("{PREFIX}{}", record.id())
}

fn put_timestamp(letter: &mut Publication, record: &Record) {
    if let Some(millis) = record.timestamp_ms {
        letter.headers.push(Header::text(&name("timestamp"), &Time::from_millis(millis).to_string()));
    }
}

fn name(reason: &str) -> String {
    format!("{PREFIX}{reason}")
}
