//! A handler that is a function of this process, with and without batches, behind stages.

use std::sync::Mutex;

use bytes::Bytes;
use cofferdam_core::event::HandlerId;
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Code, Failure, Outcome, Usage};
use cofferdam_core::output::Output;

use super::*;
use crate::handler::{Attempt, Batch as Bounds, LogLines};
use crate::stage::Passed;

/// Gives each payload back as an output. `fails` fails; a call with several of which one is `apart` fails as a whole.
struct Native {
    id: Arc<HandlerId>,
    batch: Option<Bounds>,
    /// The payloads of each call.
    calls: Mutex<Vec<Vec<String>>>,
}

impl Native {
    fn new(batch: Option<Bounds>) -> Self {
        let id = Arc::new(HandlerId { name: "native".into(), digest: "none".into() });
        Self { id, batch, calls: Mutex::default() }
    }

    fn note(&self, messages: &[&Message]) {
        let payloads = messages.iter().map(|message| text(&message.payload).to_owned()).collect();
        self.calls.lock().unwrap().push(payloads);
    }

    /// The calls so far, each with its payloads in order, in no order of calls.
    fn taken(&self) -> Vec<Vec<String>> {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.sort();
        calls
    }
}

impl Handler for Native {
    fn id(&self) -> &Arc<HandlerId> {
        &self.id
    }

    async fn handle(&self, message: &Message, _: u32) -> Attempt {
        self.note(&[message]);
        answer(message)
    }

    fn batch(&self) -> Option<Bounds> {
        self.batch
    }

    async fn handle_batch(&self, messages: &[(&Message, u32)]) -> Result<Vec<Attempt>, Failure> {
        let messages: Vec<&Message> = messages.iter().map(|(message, _)| *message).collect();
        self.note(&messages);
        if messages.iter().any(|message| text(&message.payload) == "apart") {
            return Err(Failure::contract(Code::INVALID_RESULT, "not together"));
        }
        Ok(messages.into_iter().map(answer).collect())
    }
}

fn answer(message: &Message) -> Attempt {
    let outcome = match text(&message.payload) {
        "fails" => Failure::new(Class::Permanent, Code::INTERNAL, "it fails").into(),
        _ => Outcome::Done(vec![Output { to: "out".into(), payload: message.payload.clone(), ..Output::default() }]),
    };
    Attempt { outcome, usage: Usage::default(), refused_growths: 0, logs: LogLines::default() }
}

fn text(payload: &Option<Bytes>) -> &str {
    std::str::from_utf8(payload.as_deref().unwrap_or_default()).unwrap()
}

/// Refuses records that say `closed` and messages that say `wrong`, makes `old` new, and takes its time with `late`.
struct Picky;

impl Stage for Picky {
    fn received<'a>(&'a self, record: &'a Arc<Record>) -> Passed<'a> {
        Passed::Now(match text(&record.payload) {
            "closed" => Err(Failure::new(Class::Revoked, Code::INTERNAL, "closed")),
            _ => Ok(()),
        })
    }

    fn opened<'a>(&'a self, message: &'a mut Message) -> Passed<'a> {
        match text(&message.payload) {
            "wrong" => Passed::Now(Err(Failure::new(Class::Malformed, Code::INTERNAL, "wrong"))),
            "late" => Passed::Later(tokio::task::yield_now().map(Ok).boxed()),
            "old" => {
                message.payload = Some("new".into());
                Passed::Now(Ok(()))
            }
            _ => Passed::Now(Ok(())),
        }
    }
}

/// How the messages ended, in their order: the output, or the class.
async fn ends(handler: &Arc<Slot<Native>>, stages: Vec<Arc<dyn Stage>>, payloads: &[&str]) -> Vec<String> {
    let guests = Guests { quick: Handle::current(), slow: Handle::current() };
    let clock = Clock::set();
    let health = Health::new().route("route", clock.now());
    let (workers, mut ended) =
        Workers::new(&Arc::new(route()), Arc::clone(handler), None, guests, stages, health, clock);
    let jobs = jobs(payloads);
    let ids: Vec<DeliveryId> = jobs.iter().map(|job| job.id).collect();
    workers.shared.run_here(jobs);
    let mut told = BTreeMap::new();
    while told.len() < ids.len() {
        for event in ended.recv().await.expect("the workers are there") {
            let Event::Ended(id, ended) = event else { panic!("{event:?}") };
            let end = match &ended.outcome {
                Outcome::Done(publications) => text(&publications[0].payload).to_owned(),
                Outcome::Failed(failure) => failure.class.to_string(),
            };
            assert_eq!(told.insert(id, end), None, "each ends once");
        }
    }
    ids.iter().map(|id| told[id].clone()).collect()
}

#[tokio::test]
async fn a_function_of_this_process_is_a_handler() {
    let handler = Arc::new(Slot::new(Native::new(None)));
    assert_eq!(ends(&handler, Vec::new(), &["a", "fails", "b"]).await, ["a", "permanent", "b"]);
    assert_eq!(handler.current().taken(), [["a"], ["b"], ["fails"]]);
}

#[tokio::test]
async fn a_function_that_takes_batches_is_given_them_and_one_by_one_what_fails_together() {
    let handler = Arc::new(Slot::new(Native::new(Some(Bounds::default()))));
    assert_eq!(ends(&handler, Vec::new(), &["a", "fails", "b"]).await, ["a", "permanent", "b"]);
    assert_eq!(handler.current().taken(), [["a", "fails", "b"]]);
    assert_eq!(ends(&handler, Vec::new(), &["a", "apart"]).await, ["a", "apart"]);
    assert_eq!(handler.current().taken(), [vec!["a"], vec!["a", "apart"], vec!["apart"]]);
}

#[tokio::test]
async fn a_message_of_a_batch_passes_all_stages_that_one_alone_passes() {
    let payloads = ["a", "closed", "old", "wrong", "late"];
    let expected = ["a", "revoked", "new", "malformed", "late"];
    let [alone, together] = [None, Some(Bounds::default())].map(|batch| Arc::new(Slot::new(Native::new(batch))));
    let stages = || -> Vec<Arc<dyn Stage>> { vec![Arc::new(Picky)] };
    assert_eq!(ends(&alone, stages(), &payloads).await, expected);
    assert_eq!(ends(&together, stages(), &payloads).await, expected);
    assert_eq!(alone.current().taken(), [["a"], ["late"], ["new"]]);
    assert_eq!(together.current().taken(), [["a", "new", "late"]]);
    // A handler is not called for nothing.
    assert_eq!(ends(&together, stages(), &["closed", "wrong"]).await, ["revoked", "malformed"]);
    assert!(together.current().taken().is_empty());
}

#[tokio::test]
async fn messages_go_to_the_newest_version_of_a_handler() {
    let handler = Arc::new(Slot::new(Native::new(None)));
    let first = handler.current();
    ends(&handler, Vec::new(), &["a"]).await;
    handler.replace(Native::new(None));
    ends(&handler, Vec::new(), &["b"]).await;
    assert_eq!((first.taken(), handler.current().taken()), (vec![vec!["a".to_owned()]], vec![vec!["b".to_owned()]]));
}
