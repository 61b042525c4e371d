//! What an independent reader finds at the end.

use cofferdam_checker::{Read, What as Seen};
use cofferdam_guarantees::{Effect, RecordId, What};
use serde_json::Value;

use super::Foreign;
use super::history::World;
use super::readers::Rows;
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

    /// What was found at a place, if it is what it should be; its lane, where a reader can tell.
    pub(super) fn take(
        &mut self,
        what: Option<(RecordId, Effect)>,
        lane: Option<String>,
        place: &str,
    ) -> Result<(), Problem> {
        match what {
            Some((record, effect)) => {
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
                    self.foreign.places.push(place.to_owned());
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

/// The record and the number of an output, which the handler writes into its payload.
pub(super) fn output(payload: &[u8]) -> Option<(RecordId, u32)> {
    let (record, index) = std::str::from_utf8(payload).ok()?.rsplit_once('/')?;
    Some((record.into(), index.parse().ok()?))
}

/// The record that an error event is about.
pub(super) fn error_event(payload: &[u8]) -> Option<RecordId> {
    let event: Value = serde_json::from_slice(payload).ok()?;
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let position = text("position")?;
    // On Kafka a position is one of a topic's; the id of an SQS message stands for itself.
    Some(if position.contains('/') { format!("{}/{position}", text("source")?) } else { position.to_owned() }.into())
}
