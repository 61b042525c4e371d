//! Tests the journal of a record on its way through the machine.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::action::{Action, Ask};
use cofferdam_core::event::{Assignment, Ended, Event, Partition, Refusal};
use cofferdam_core::machine::Machine;
use cofferdam_core::outcome::{Class, Code, Failure, Outcome};
use cofferdam_core::output::Publication;
use cofferdam_core::time::Time;
use cofferdam_guarantees::{Fact, simulation};

use super::Journal;
use crate::listener::Listener;

/// Drives a machine as a flow does, with successful answers only.
struct World {
    machine: Machine,
    journal: Journal,
    now: Time,
    folder: tempfile::TempDir,
    attempts: Vec<Outcome<Vec<Publication>>>,
    refuses_error_events: bool,
}

impl World {
    fn new(attempts: Vec<Outcome<Vec<Publication>>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            machine: Machine::new(Arc::new(simulation::route()), 1),
            journal: Journal::create(&folder.path().join("j")).unwrap(),
            now: Time::from_millis(1_000_000),
            folder,
            attempts,
            refuses_error_events: false,
        }
    }

    fn tell(&mut self, event: Event) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.journal.event(&event, &self.machine, self.now);
            self.machine.handle(event, self.now);
            while let Some(action) = self.machine.next_action() {
                self.journal.action(&action, &self.machine, self.now);
                if self.journal.must_flush(&action) {
                    self.journal.flush().unwrap();
                }
                events.extend(self.answer(action));
            }
        }
    }

    fn answer(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Handle(id) => {
                let outcome = self.attempts.remove(0);
                let ended = Ended::new(outcome);
                Some(Event::Ended(id, Box::new(ended)))
            }
            Action::Publish { delivery, index } if index == 1 && self.refuses_error_events => {
                let refusal = Refusal::Rejected(Code::OUTPUT_TOO_LARGE, "no".into());
                Some(Event::NotDurable { delivery, index, refusal })
            }
            Action::Publish { delivery, index } => Some(Event::Durable { delivery, index }),
            Action::Ask(Ask::Commit(positions)) => Some(Event::Committed(positions)),
            Action::Ask(_) | Action::Settled { .. } | Action::Troubled { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    /// The lines in the file, without time and process.
    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("j")).unwrap();
        let facts = text.lines().map(|line| serde_json::from_str::<Fact>(line).unwrap());
        facts.map(|fact| serde_json::to_string(&fact.what).unwrap()).collect()
    }
}

fn partition() -> Partition {
    simulation::partition(3)
}

fn assigned() -> Event {
    Event::Assigned(vec![Assignment::new(partition())])
}

fn record() -> Event {
    Event::Records { partition: partition(), records: vec![simulation::record(3, 7)] }
}

#[test]
fn the_way_of_a_record_stands_in_the_file_before_its_commit() {
    let mut world = World::new(vec![Outcome::Done(vec![simulation::output()])]);
    world.tell(assigned());
    world.tell(record());
    assert!(world.lines().is_empty(), "nothing had to be written, and nothing was");
    world.now = world.now.after(Duration::from_secs(1));
    world.tell(Event::Due);
    // The answer to the commit is written together with the next line that must be flushed.
    insta::assert_snapshot!(world.lines().join("\n"), @r#"
        {"event":"assigned","partitions":["t/3"]}
        {"event":"received","records":["t/3/7"]}
        {"event":"handling","record":"t/3/7","attempt":1}
        {"event":"handled","record":"t/3/7","attempt":1,"outcome":"done","outputs":1}
        {"event":"durable","record":"t/3/7","effect":{"output":0}}
        {"event":"settled","record":"t/3/7","fate":"done"}
        {"event":"commits","partition":"t/3","offset":8}
        "#);
}

#[test]
fn an_error_event_that_nobody_takes_is_told() {
    let mut world = World::new(vec![Failure::new(Class::Permanent, Code::INTERNAL, "no").into()]);
    world.refuses_error_events = true;
    world.tell(assigned());
    world.tell(record());
    world.tell(Event::Revoked(vec![partition()]));
    insta::assert_snapshot!(world.lines().join("\n"), @r#"
        {"event":"assigned","partitions":["t/3"]}
        {"event":"received","records":["t/3/7"]}
        {"event":"handling","record":"t/3/7","attempt":1}
        {"event":"handled","record":"t/3/7","attempt":1,"outcome":"permanent","outputs":0}
        {"event":"durable","record":"t/3/7","effect":"dead_letter"}
        {"event":"refused","record":"t/3/7","effect":"error_event"}
        {"event":"settled","record":"t/3/7","fate":"dead_lettered"}
        {"event":"commits","partition":"t/3","offset":8}
        {"event":"gave_up","partitions":["t/3"]}
        "#);
}

#[test]
fn a_journal_is_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    Journal::create(&path).unwrap().started().unwrap();
    assert_eq!(Journal::create(&path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn after_a_line_that_could_not_be_written_none_follows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let journal = Journal::create(&path).unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let writer = journal.0.clone().unwrap();
    let good = std::mem::replace(&mut writer.lock().unwrap().file, full);
    journal.started().unwrap_err();
    // There is room again, and the file may end within a line.
    writer.lock().unwrap().file = good;
    journal.flush().unwrap_err();
    journal.stopped().unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}
