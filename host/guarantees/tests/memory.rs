//! What the machine keeps of messages that are settled: little, and not for long.

use std::sync::Arc;

use bytes::Bytes;
use cofferdam_core::action::Action;
use cofferdam_core::event::{Assignment, Ended, Event, Partition};
use cofferdam_core::machine::Machine;
use cofferdam_core::message::{Position, Record};
use cofferdam_core::outcome::Outcome;
use cofferdam_core::route::{Bounds, Route};
use cofferdam_core::time::Time;
use cofferdam_guarantees::simulation;

const MESSAGES: usize = 200;
/// More may wait for their end together where they are small.
const TOGETHER: usize = 16;

/// A payload that tells, by its count of references, whether it is still in memory.
struct Payload(Arc<[u8]>);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The most settled messages whose payloads were in memory after an event, where each payload has `size` bytes.
fn most_kept(size: usize) -> usize {
    let route = Route {
        concurrency: MESSAGES as u32,
        bounds: Bounds { messages: MESSAGES as u32, bytes: (MESSAGES * size + (1 << 20)) as u64 },
        ..simulation::route()
    };
    let (mut machine, now) = (Machine::new(Arc::new(route), 1), Time::from_millis(1_795_237_296_000));
    let partition = Partition { topic: "t".into(), number: 0 };
    let payload: Arc<[u8]> = vec![7; size].into();
    let record = |offset| Record {
        source: "t".into(),
        position: Position::Offset { partition: 0, offset },
        key: None,
        headers: Default::default(),
        payload: Some(Bytes::from_owner(Payload(Arc::clone(&payload)))),
        timestamp_ms: None,
    };
    machine.handle(Event::Assigned(vec![Assignment::new(partition.clone())]), now);
    machine.handle(Event::Records { partition, records: (0..MESSAGES as i64).map(record).collect() }, now);
    let (mut settled, mut kept) = (0, 0);
    while let Some(action) = machine.next_action() {
        match action {
            Action::Settled { .. } => settled += 1,
            Action::Handle(id) => {
                let ended = Ended::new(Outcome::Done(Vec::new()));
                machine.handle(Event::Ended(id, Box::new(ended)), now);
            }
            _ => {}
        }
        // One is ours.
        let in_memory = Arc::strong_count(&payload) - 1;
        kept = kept.max((settled + in_memory).saturating_sub(MESSAGES));
    }
    assert_eq!(settled, MESSAGES, "all came to their end");
    kept
}

#[test]
fn small_ones_wait_for_a_few_others_before_their_memory_is_freed() {
    let kept = most_kept(100);
    assert!((2..=TOGETHER).contains(&kept), "{kept} of {MESSAGES}");
}

#[test]
fn large_ones_are_freed_at_the_next_event() {
    let kept = most_kept(64 << 10);
    assert_eq!(kept, 1);
}
