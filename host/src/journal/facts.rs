//! Converts events and actions of a route to journal entries.

use cofferdam_core::action::{Action, Ask};
use cofferdam_core::command::Command;
use cofferdam_core::event::{DeliveryId, Ended, Event, Partition, Refusal};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::machine::{Delivery, Machine};
use cofferdam_core::outcome::Outcome;
use cofferdam_core::progress::Progress;
use cofferdam_guarantees::{Effect, RecordId, What};

/// The entries of an event, before the machine handles it.
pub(super) fn heard(event: &Event, machine: &Machine, mut take_down: impl FnMut(What)) {
    match event {
        Event::Assigned(assigned) => {
            let partitions = assigned.iter().map(|assignment| name(&assignment.partition)).collect();
            take_down(What::Assigned { partitions });
        }
        Event::Lost(partitions) | Event::Superseded(partitions) => {
            take_down(What::Lost { partitions: partitions.iter().map(name).collect() })
        }
        Event::Records { records, .. } => {
            take_down(What::Received { records: records.iter().map(|record| record.id().into()).collect() });
        }
        Event::Messages(messages) => {
            let records = messages.iter().map(|message| message.record.id().into()).collect();
            take_down(What::Received { records });
        }
        Event::Ended(id, ended) => take_down_ended(*id, ended, machine, take_down),
        Event::Durable { delivery, index } => {
            let Some(delivery) = machine.delivery(*delivery) else { return };
            take_down(durable(delivery, *index));
        }
        Event::NotDurable { delivery, index, refusal: Refusal::Rejected(..) } => {
            let Some(delivery) = machine.delivery(*delivery) else { return };
            take_down(What::Refused { record: delivery.record().id().into(), effect: effect(delivery, *index) });
        }
        // Outputs and offsets became visible at the same time.
        Event::Transacted(positions) => {
            for delivery in machine.in_transaction().filter_map(|id| machine.delivery(id)) {
                let count = u32::try_from(delivery.publications()).unwrap_or(u32::MAX);
                (0..count).map(|index| durable(delivery, index)).for_each(&mut take_down);
            }
            // A partition that was given up or lost meanwhile is not this host's to commit.
            let held = || positions.iter().filter(|position| machine.is_asked(position));
            held().map(commits).for_each(&mut take_down);
            held().map(committed).for_each(take_down);
        }
        Event::Committed(positions) => {
            positions.iter().map(committed).for_each(take_down);
        }
        Event::Known(id) => {
            let Some(delivery) = machine.delivery(*id) else { return };
            take_down(What::Suppressed { record: delivery.record().id().into(), attempt: delivery.attempt() });
        }
        Event::Deleted(ids) => {
            ids.iter().filter_map(|id| record(*id, machine)).for_each(|record| take_down(What::Deleted { record }));
        }
        Event::LeaseLost(ids) => {
            ids.iter().filter_map(|id| record(*id, machine)).for_each(|record| take_down(What::LeaseLost { record }));
        }
        Event::Command(Command::Drain { .. }) => take_down(What::Draining),
        // Entries name no route, and other routes of the process are not paused.
        Event::Command(Command::Pause | Command::Resume | Command::TryOne)
        | Event::Revoked(_)
        | Event::Reached { .. }
        | Event::CommitFailed(_)
        | Event::DeleteFailed(_)
        | Event::Extended { .. }
        | Event::NotDurable { refusal: Refusal::Unavailable(_), .. }
        | Event::NotTransacted(..)
        | Event::Unanswered(_)
        | Event::Recorded(_)
        | Event::NotRecorded(..)
        | Event::Due => {}
    }
}

fn take_down_ended(id: DeliveryId, ended: &Ended, machine: &Machine, mut take_down: impl FnMut(What)) {
    let Some(delivery) = machine.delivery(id) else { return };
    let (record, attempt) = (delivery.record().id().into(), delivery.attempt());
    if !delivery.is_live() {
        return take_down(What::Discarded { record, attempt });
    }
    let outputs = match &ended.outcome {
        Outcome::Done(publications) => u32::try_from(publications.len()).unwrap_or(u32::MAX),
        Outcome::Failed(_) => 0,
    };
    take_down(What::Handled { record, attempt, outcome: ended.outcome.class(), outputs });
}

/// The entries of an action, before it is carried out.
pub(super) fn taken(action: &Action, machine: &Machine, mut take_down: impl FnMut(What)) {
    match action {
        Action::Handle(id) => {
            let Some(delivery) = machine.delivery(*id) else { return };
            take_down(What::Handling { record: delivery.record().id().into(), attempt: delivery.attempt() });
        }
        Action::Settled { delivery, fate } => {
            let Some(record) = record(*delivery, machine) else { return };
            take_down(What::Settled { record, fate: *fate });
        }
        Action::Ask(Ask::Commit(positions)) => positions.iter().map(commits).for_each(take_down),
        Action::Ask(Ask::GiveUp { partition, commit }) => {
            commit.iter().map(commits).for_each(&mut take_down);
            take_down(What::GaveUp { partitions: vec![name(partition)] });
        }
        Action::Ask(Ask::Delete { delivery, .. }) => {
            record(*delivery, machine).into_iter().for_each(|record| take_down(What::Deletes { record }));
        }
        Action::Publish { .. }
        | Action::Ask(
            Ask::Grant { .. }
            | Ask::Pause(_)
            | Ask::Resume(_)
            | Ask::Reread(_)
            | Ask::Transacted(_)
            | Ask::Extend { .. }
            | Ask::Release { .. },
        )
        | Action::Troubled { .. }
        | Action::Transact { .. }
        | Action::Record(_)
        | Action::Holding(_)
        | Action::Circuit(_)
        | Action::Paused(_)
        | Action::Blocked(_)
        | Action::Unblocked(_)
        | Action::MetadataIgnored(..)
        | Action::Stop(_)
        | Action::Drained => {}
    }
}

fn commits(position: &CommitPosition) -> What {
    let CommitPosition { partition, offset, metadata } = position;
    // The host has written this metadata itself, so it can decode it.
    let progress = Progress::decode(metadata).unwrap_or_default();
    let finished = progress.finished.into_iter().map(|run| (run.start, run.end)).collect();
    let attempts = progress.tried.into_iter().map(|(offset, tried)| (offset, tried.attempt - 1)).collect();
    What::Commits { partition: name(partition), offset: *offset, finished, attempts }
}

fn committed(position: &CommitPosition) -> What {
    What::Committed { partition: name(&position.partition), offset: position.offset }
}

fn durable(delivery: &Delivery, index: u32) -> What {
    let (record, effect) = (delivery.record().id().into(), effect(delivery, index));
    if delivery.is_live() { What::Durable { record, effect } } else { What::Late { record, effect } }
}

/// The effect of this publication for its record.
fn effect(delivery: &Delivery, index: u32) -> Effect {
    match (delivery.is_stored_as_error(), index) {
        (false, index) => Effect::Output(index),
        (true, 0) => Effect::DeadLetter,
        (true, _) => Effect::ErrorEvent,
    }
}

fn record(id: DeliveryId, machine: &Machine) -> Option<RecordId> {
    machine.delivery(id).map(|delivery| delivery.record().id().into())
}

fn name(partition: &Partition) -> Box<str> {
    format!("{}/{}", partition.topic, partition.number).into()
}
