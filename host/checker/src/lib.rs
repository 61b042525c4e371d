//! Says what a reader of the outputs finds wrong: messages that are missing, invented, out of order or repeated.
//!
//! It knows what was written and what was read, as plain data, and nothing else: no journal of a host, no offset that a
//! host has committed. It depends on no other crate of the workspace, so no mistake of theirs can be its own.
//!
//! First [`Checker::written`] for every message, then [`Checker::read`] for everything that readers find, each
//! destination from its first record to its last; then [`Checker::finish`].

mod findings;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use findings::{Figures, Finding, Findings, Rule};

/// How often a message may have its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// At least once: repeats are counted.
    AtLeastOnce,
    /// Exactly once: repeats are faults.
    ExactlyOnce,
}

/// A message that the hosts were given, and that its broker has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its name in what is read.
    pub id: String,
    /// Messages of one lane have an order: a key, a message group.
    pub lane: String,
    /// Its place in that order; later messages have higher ones.
    pub position: u64,
    /// How many outputs it leads to, where it does not become a dead letter; `None` where it always does.
    pub outputs: Option<u32>,
}

/// Something that a reader has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// The message that it says it comes of.
    pub id: String,
    /// The lane in which it was found, where a reader can tell.
    pub lane: Option<String>,
    /// What it is.
    pub what: What,
}

/// What a message leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The output of this number, from 0.
    Output(u32),
    /// The message itself, in the dead-letter queue.
    DeadLetter,
    /// A description of the failure. Readers find these in any order.
    ErrorEvent,
}

/// What is known of one message.
#[derive(Debug)]
struct Message {
    lane: u32,
    position: u64,
    expected: Option<u32>,
    /// Bits of the outputs that were read, up to the 64th.
    outputs: u64,
    dead_letter: bool,
    error_event: bool,
}

/// The last position of a lane that was read for the first time, and its output.
#[derive(Debug, Default)]
struct Lane {
    outputs: Option<(u64, u32)>,
    dead_letters: Option<u64>,
}

/// Something out of order, which may have a reason.
#[derive(Debug)]
struct Late {
    id: String,
    what: What,
    behind: u64,
}

/// Takes in what was written and read.
#[derive(Debug)]
pub struct Checker {
    delivery: Delivery,
    messages: HashMap<Box<str>, Message>,
    lane_numbers: HashMap<Box<str>, u32>,
    lanes: Vec<Lane>,
    late: Vec<Late>,
    findings: Findings,
}

impl Checker {
    /// A checker of one run.
    #[must_use]
    pub fn new(delivery: Delivery) -> Self {
        Self {
            delivery,
            messages: HashMap::new(),
            lane_numbers: HashMap::new(),
            lanes: Vec::new(),
            late: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// A message was written.
    pub fn written(&mut self, written: &Written) {
        let next = u32::try_from(self.lanes.len()).expect("no more lanes than messages");
        let lane = *self.lane_numbers.entry(written.lane.as_str().into()).or_insert(next);
        if lane == next {
            self.lanes.push(Lane::default());
        }
        let message = Message {
            lane,
            position: written.position,
            expected: written.outputs,
            outputs: 0,
            dead_letter: false,
            error_event: false,
        };
        if self.messages.insert(written.id.as_str().into(), message).is_some() {
            self.findings.broken(Rule::Unknown, || format!("{}: two messages have this id", written.id));
        }
    }

    /// A reader has found something behind everything that it has found before.
    pub fn read(&mut self, read: &Read) {
        self.findings.figures.read += 1;
        self.findings.looked(Rule::Unknown);
        if let Some(why) = self.unknown(read) {
            self.findings.broken(Rule::Unknown, || format!("{}: {} is read, but {why}", read.id, read.what));
            return;
        }
        let message = self.messages.get_mut(read.id.as_str()).expect("it is known");
        let again = match read.what {
            What::Output(index) => {
                let (bit, before) = (1 << index.min(63), message.outputs);
                message.outputs |= bit;
                before & bit != 0
            }
            What::DeadLetter => std::mem::replace(&mut message.dead_letter, true),
            What::ErrorEvent => std::mem::replace(&mut message.error_event, true),
        };
        if self.delivery == Delivery::ExactlyOnce {
            self.findings.looked(Rule::Once);
        }
        if again {
            self.findings.figures.again += 1;
            if self.delivery == Delivery::ExactlyOnce {
                self.findings.broken(Rule::Once, || format!("{}: {} is read again", read.id, read.what));
            }
            return;
        }
        let (lane, position) = (&mut self.lanes[message.lane as usize], message.position);
        let behind = match read.what {
            What::Output(index) => advance(&mut lane.outputs, (position, index)).map(|(behind, _)| behind),
            What::DeadLetter => advance(&mut lane.dead_letters, position),
            What::ErrorEvent => return,
        };
        self.findings.looked(Rule::Order);
        if let Some(behind) = behind {
            self.late.push(Late { id: read.id.clone(), what: read.what, behind });
        }
    }

    /// Why nothing like that can be read.
    fn unknown(&self, read: &Read) -> Option<&'static str> {
        let Some(message) = self.messages.get(read.id.as_str()) else { return Some("this message was never written") };
        let lane = read.lane.as_deref().map(|lane| self.lane_numbers.get(lane));
        if lane.is_some_and(|lane| lane != Some(&message.lane)) {
            return Some("the message belongs to another lane");
        }
        match (read.what, message.expected) {
            (What::Output(_), None) => Some("the message always fails"),
            (What::Output(index), Some(count)) if index >= count => Some("the message has fewer outputs"),
            _ => None,
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn finish(mut self) -> Findings {
        let exactly_once = self.delivery == Delivery::ExactlyOnce;
        for late in std::mem::take(&mut self.late) {
            let message = &self.messages[late.id.as_str()];
            // Where a repeat has come to another end, each of the two stands in its place among its kind only.
            let two_ends = message.outputs != 0 && message.dead_letter;
            if exactly_once || !two_ends {
                let (what, behind, position) = (late.what, late.behind, message.position);
                self.findings.broken(Rule::Order, || {
                    format!("{}: {what} (position {position} of its lane) is read after position {behind}", late.id)
                });
            }
        }
        let mut messages: Vec<_> = self.messages.iter().collect();
        messages.sort_unstable_by_key(|(_, message)| message.position);
        for (id, message) in messages {
            self.findings.looked(Rule::Missing);
            if let Some(missing) = message.missing() {
                self.findings.broken(Rule::Missing, || format!("{id}: {missing}"));
            }
            let both = message.outputs != 0 && message.dead_letter;
            self.findings.figures.two_ends += u64::from(both);
            if exactly_once {
                self.findings.looked(Rule::OneEnd);
                let stray = message.error_event && !message.dead_letter;
                if both || stray {
                    let other = if both { "outputs and a dead letter" } else { "an error event and no dead letter" };
                    self.findings.broken(Rule::OneEnd, || format!("{id}: {other} are read"));
                }
            }
        }
        self.findings
    }
}

impl Message {
    /// What no reader has found.
    fn missing(&self) -> Option<&'static str> {
        let all = self.expected.map(|count| if count >= 64 { u64::MAX } else { (1 << count) - 1 });
        match (self.dead_letter, all) {
            (true, _) if !self.error_event => Some("its dead letter has no error event"),
            // At least once an attempt may have left some outputs before another came to this end.
            (true, _) => None,
            (false, None) => Some("it always fails, but no dead letter is read"),
            (false, Some(all)) if self.outputs != all => Some("outputs are missing, and no dead letter is read"),
            (false, Some(_)) => None,
        }
    }
}

/// Goes on to what is read for the first time; what is ahead of it already, where there is something.
fn advance<T: Copy + PartialOrd>(last: &mut Option<T>, now: T) -> Option<T> {
    match *last {
        Some(ahead) if ahead > now => Some(ahead),
        _ => {
            *last = Some(now);
            None
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Output(index) => write!(f, "output {index}"),
            Self::DeadLetter => f.write_str("a dead letter"),
            Self::ErrorEvent => f.write_str("an error event"),
        }
    }
}

#[cfg(test)]
mod tests;
