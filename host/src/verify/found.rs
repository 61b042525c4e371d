//! What an independent reader finds at the end.

use cofferdam_checker::{Read, What as Seen};
use cofferdam_core::output::Layout;
use cofferdam_guarantees::{Effect, RecordId, What};
use serde_json::Value;

use super::Foreign;
use super::history::World;
use super::readers::Rows;
use super::workload::{Workload, lane};
use crate::broker::verify::{Part, Stored};
use crate::exit::Problem;

/// Foreign things that are remembered by name.
const REMEMBERED: usize = 5;

/// Takes down what a reader finds.
pub(super) struct Found {
    world: World,
    rows: Rows,
    foreign: Foreign,
}

impl Found {
    /// For the judge and for the checker.
    pub(super) fn new(world: World, rows: Rows) -> Self {
        Self { world, rows, foreign: Foreign::default() }
    }

    /// A message that a host has written to this broker, with the layout of its messages.
    pub(super) fn take(
        &mut self,
        broker: &str,
        layout: Layout,
        stored: &Stored,
        workload: &Workload,
    ) -> Result<(), Problem> {
        match recognise(stored, layout, workload) {
            Some((record, effect)) => {
                // Error events have no order.
                let key = stored.key.as_deref().filter(|_| stored.part != Part::Errors);
                let lane = key.map(|key| lane(broker, key));
                let what = match effect {
                    Effect::Output(index) => Seen::Output(index),
                    Effect::DeadLetter => Seen::DeadLetter,
                    Effect::ErrorEvent => Seen::ErrorEvent,
                };
                self.rows.add(&Read { id: record.to_string(), lane, what })?;
                self.world.tell(0, What::Found { record, effect })
            }
            None => {
                self.foreign.count += 1;
                if self.foreign.places.len() < REMEMBERED {
                    self.foreign.places.push(stored.place.clone());
                }
                Ok(())
            }
        }
    }

    /// Writes out what is not in the file yet, and returns what should not be there.
    pub(super) fn close(mut self) -> Result<Foreign, Problem> {
        self.rows.flush()?;
        self.world.flush()?;
        Ok(self.foreign)
    }

    /// A record that was not acknowledged.
    pub(super) fn outstanding(&mut self, record: RecordId) -> Result<(), Problem> {
        self.world.tell(0, What::Outstanding { record })
    }
}

/// The record that a message comes from, and as what, if it is what it should be.
fn recognise(stored: &Stored, layout: Layout, workload: &Workload) -> Option<(RecordId, Effect)> {
    let payload = stored.payload.as_deref()?;
    match stored.part {
        Part::In => None,
        Part::Out => output(payload).map(|(record, index)| (record, Effect::Output(index))),
        Part::Dead => {
            // The original to the last byte, with its key where messages have one.
            let original = workload.message(workload.recognise(payload)?);
            let same = layout == Layout::Attributes || stored.key.as_deref() == Some(original.key.as_bytes());
            let record = stored.origin.as_deref().filter(|_| same)?;
            Some((record.into(), Effect::DeadLetter))
        }
        Part::Errors => error_event(payload).map(|record| (record, Effect::ErrorEvent)),
    }
}

/// The record and the number of an output, which the handler writes into its payload.
fn output(payload: &[u8]) -> Option<(RecordId, u32)> {
    let (record, index) = std::str::from_utf8(payload).ok()?.rsplit_once('/')?;
    Some((record.into(), index.parse().ok()?))
}

/// The record that an error event is about.
fn error_event(payload: &[u8]) -> Option<RecordId> {
    let event: Value = serde_json::from_slice(payload).ok()?;
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let position = text("position")?;
    // A position in a partition is one of a topic's; the id of a message stands for itself.
    Some(if position.contains('/') { format!("{}/{position}", text("source")?) } else { position.to_owned() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_the_original_with_its_key_where_messages_have_keys() {
        let workload = Workload { seed: 7, messages: 10, failing: 0, logs: 1, queues: 0 };
        let original = workload.message(3);
        let letter = Stored {
            part: Part::Dead,
            place: "dead/0/0".into(),
            key: Some(original.key.into_bytes()),
            payload: Some(original.payload.into_bytes()),
            origin: Some("in/0/3".into()),
        };
        let is_known = |letter: &Stored, layout| recognise(letter, layout, &workload).is_some();
        let known = recognise(&letter, Layout::Record, &workload);
        assert_eq!(known, Some(("in/0/3".into(), Effect::DeadLetter)));
        let keyless = Stored { key: None, ..letter.clone() };
        assert!(!is_known(&keyless, Layout::Record) && is_known(&keyless, Layout::Attributes));
        let changed = Stored { payload: Some(b"r9 3 other".to_vec()), ..letter.clone() };
        assert!(!is_known(&changed, Layout::Record) && !is_known(&changed, Layout::Attributes));
        assert!(!is_known(&Stored { origin: None, ..letter }, Layout::Attributes));
    }
}
