//! Tests a handler written in Rust, with and without batches, behind stages.

use std::sync::Mutex;

use bytes::Bytes;
use cofferdam_core::event::{Ended, HandlerId};
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Code, Failure, Outcome, Usage};
use cofferdam_core::output::Output;

use super::*;
use crate::handler::{Attempt, Batch as Bounds, LogLines};
use crate::stage::Passed;

/// Returns each payload as an output. `fails` fails; a batch that contains `apart` fails as a whole.
struct Native {
    id: Arc<HandlerId>,
    batch: Option<Bounds>,
    /// The payloads of each call.
    calls: Mutex<Vec<Vec<String>>>,
    /// All payloads, in the order of the calls.
    payloads: Mutex<Vec<Bytes>>,
}

impl Native {
    fn new(batch: Option<Bounds>) -> Self {
        let id = Arc::new(HandlerId { name: "native".into(), digest: "none".into() });
        Self { id, batch, calls: Mutex::default(), payloads: Mutex::default() }
    }

    fn note(&self, messages: &[&Message]) {
        let payloads = messages.iter().map(|message| text(&message.payload).to_owned()).collect();
        self.calls.lock().unwrap().push(payloads);
        self.payloads.lock().unwrap().extend(messages.iter().filter_map(|message| message.payload.clone()));
    }

    /// The calls so far, each with its payloads in order. The order of the calls is not defined.
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

/// Refuses records `closed` and messages `wrong`, replaces `old` by `new`, and waits before `late`.
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

/// The results of the messages, in their order: the output, or the class of the failure.
async fn ends(handler: &Arc<Slot<Native>>, stages: Vec<Arc<dyn Stage>>, payloads: &[&str]) -> Vec<String> {
    ends_of(route(), handler, stages, jobs(payloads)).await
}

async fn ends_of(
    route: Route,
    handler: &Arc<Slot<Native>>,
    stages: Vec<Arc<dyn Stage>>,
    jobs: VecDeque<Job>,
) -> Vec<String> {
    let text_of = |ended: &Ended| match &ended.outcome {
        Outcome::Done(publications) => text(&publications[0].payload).to_owned(),
        Outcome::Failed(failure) => failure.class.to_string(),
    };
    results_of(route, handler, stages, jobs).await.iter().map(|(_, ended)| text_of(ended)).collect()
}

/// The results of the jobs, in the order of the jobs.
async fn results_of(
    route: Route,
    handler: &Arc<Slot<Native>>,
    stages: Vec<Arc<dyn Stage>>,
    jobs: VecDeque<Job>,
) -> Vec<(DeliveryId, Box<Ended>)> {
    let guests = Guests { quick: Handle::current(), slow: Handle::current() };
    let clock = Clock::set();
    let health = Health::new().route("route", clock.now());
    let (workers, mut ended) = Workers::new(&Arc::new(route), Arc::clone(handler), None, guests, stages, health, clock);
    let ids: Vec<DeliveryId> = jobs.iter().map(|job| job.id).collect();
    workers.shared.run_here(jobs);
    let mut told = BTreeMap::new();
    while told.len() < ids.len() {
        for event in ended.recv().await.expect("the workers are there") {
            let Event::Ended(id, ended) = event else { panic!("{event:?}") };
            assert!(told.insert(id, ended).is_none(), "each ends once");
        }
    }
    ids.into_iter().map(|id| (id, told.remove(&id).expect("it has ended"))).collect()
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
    // The handler is not called if no message is left.
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

/// Jobs for CloudEvents with these payloads, in base64: to decode one is to copy its payload.
fn events(payloads: &[&str]) -> VecDeque<Job> {
    let text = |payload: &&str| {
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, payload);
        format!(r#"{{"specversion":"1.0","id":"{payload}","source":"/s","type":"t","data_base64":"{data}"}}"#)
    };
    let texts: Vec<String> = payloads.iter().map(text).collect();
    jobs(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A job for the next attempt, after this result.
fn retry(record: &Arc<Record>, (id, ended): &(DeliveryId, Box<Ended>)) -> Job {
    Job { id: *id, record: Arc::clone(record), opened: ended.opened.clone(), attempt: 2, event: None }
}

#[tokio::test]
async fn the_attempts_of_a_message_share_its_decoded_envelope() {
    let route = || Route { envelope: Envelope::CloudEvents, ..route() };
    let handler = Arc::new(Slot::new(Native::new(Some(Bounds::default()))));
    let jobs = events(&["fails", "apart", "fails"]);
    let records: Vec<Arc<Record>> = jobs.iter().map(|job| Arc::clone(&job.record)).collect();
    let first = results_of(route(), &handler, Vec::new(), jobs).await;
    assert!(first[1].1.opened.is_none(), "nobody needs it after a success");
    // A retry alone, and two in one call.
    let alone = [retry(&records[0], &first[0])].into();
    let second = results_of(route(), &handler, Vec::new(), alone).await;
    let together = [retry(&records[0], &second[0]), retry(&records[2], &first[2])].into();
    results_of(route(), &handler, Vec::new(), together).await;
    // A call with all three, one with each alone, and the retries. All are held here, so no two have one address by chance.
    let payloads = std::mem::take(&mut *handler.current().payloads.lock().unwrap());
    assert_eq!(payloads.len(), 3 + 3 + 1 + 2);
    let addresses: std::collections::BTreeSet<_> = payloads.iter().map(|payload| payload.as_ptr()).collect();
    assert_eq!(addresses.len(), 3, "one for each message");
}

#[tokio::test]
async fn what_a_stage_changes_is_changed_for_one_attempt() {
    let route = || Route { envelope: Envelope::CloudEvents, ..route() };
    let handler = Arc::new(Slot::new(Native::new(None)));
    let mut jobs = events(&["old"]);
    let opened = Arc::new(Opened::new(Arc::clone(&jobs[0].record)));
    jobs[0].opened = Some(Arc::clone(&opened));
    assert_eq!(ends_of(route(), &handler, vec![Arc::new(Picky)], jobs).await, ["new"]);
    let message = opened.message(&Envelope::CloudEvents).expect("well formed");
    assert_eq!(text(&message.payload), "old");
}
