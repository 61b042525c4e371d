use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use bytes::Bytes;
use cofferdam_core::event::{DeliveryId, Event};
use serde_json::Value;

use super::*;
use crate::broker::sqs;
use crate::broker::sqs::fake;

/// Longer than any test here takes.
const WAIT: Duration = Duration::from_secs(30);

fn publication(queue: &str, body: &str, group: Option<&str>) -> Publication {
    Publication {
        destination: sqs::queue(queue),
        key: None,
        headers: Default::default(),
        payload: Some(Bytes::from(body.to_owned())),
        timestamp_ms: None,
        group: group.map(Into::into),
        deduplication: None,
    }
}

/// Publishes these bodies and returns the result of each.
async fn publish(client: Client, queue: &str, bodies: &[(String, Option<String>)]) -> Vec<Result<(), Refusal>> {
    let sink = Sqs::connect(Config::new(client), [Arc::from(queue)]).await.unwrap();
    let (flow, mut events) = mpsc::channel(bodies.len());
    for (index, (body, group)) in bodies.iter().enumerate() {
        let ticket = Ticket::new(flow.clone(), DeliveryId::default(), index.try_into().unwrap());
        assert!(sink.publish(&publication(queue, body, group.as_deref()), ticket).is_ok());
    }
    let mut results: Vec<Option<Result<(), Refusal>>> = vec![None; bodies.len()];
    for _ in bodies {
        let answers = timeout(Duration::from_secs(30), events.recv()).await.unwrap().unwrap();
        let (index, result) = match <[Event; 1]>::try_from(answers).expect("each is answered by itself") {
            [Event::Durable { index, .. }] => (index, Ok(())),
            [Event::NotDurable { index, refusal, .. }] => (index, Err(refusal)),
            [other] => panic!("{other:?}"),
        };
        assert!(results[index as usize].replace(result).is_none(), "a ticket was settled twice");
    }
    sink.close(WAIT).await;
    results.into_iter().map(Option::unwrap).collect()
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry[field].as_str().unwrap()
}

#[tokio::test]
async fn a_group_keeps_its_order_when_entries_fail() {
    #[derive(Default)]
    struct Server {
        tried: HashSet<String>,
        stored: HashMap<String, Vec<String>>,
    }
    let server = Arc::new(Mutex::new(Server::default()));
    let script = server.clone();
    let client = fake::client(move |_, request| {
        let mut server = script.lock().unwrap();
        Ok(fake::batch(request, |entry| {
            let (body, group) = (text(entry, "MessageBody").to_owned(), text(entry, "MessageGroupId").to_owned());
            // Every third message fails at its first attempt, whatever call it is in.
            if body.parse::<u32>().unwrap() % 3 == 0 && server.tried.insert(body.clone()) {
                return Err(("InternalError", false));
            }
            server.stored.entry(group).or_default().push(body);
            Ok(())
        }))
    })
    .await;
    let bodies: Vec<_> = (0..60).map(|n| (format!("{n:03}"), Some(format!("g{}", n % 7)))).collect();
    let results = publish(client, "q.fifo", &bodies).await;
    assert!(results.iter().all(Result::is_ok));
    let server = server.lock().unwrap();
    assert_eq!(server.tried.len(), 20, "no entry failed, so nothing was shown");
    assert_eq!(server.stored.values().map(Vec::len).sum::<usize>(), 60);
    assert!(server.stored.values().all(|bodies| bodies.is_sorted()), "{:?}", server.stored);
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_goes_one_by_one() {
    let client = fake::client(|_, request| match request["Entries"].as_array().unwrap().as_slice() {
        [entry] if text(entry, "MessageBody") == "bad" => Err("com.amazonaws.sqs#InvalidMessageContents"),
        [_] => Ok(fake::batch(request, |_| Ok(()))),
        _ => Err("com.amazonaws.sqs#BatchRequestTooLong"),
    })
    .await;
    let bodies: Vec<_> = ["a", "b", "bad", "c", "d"].map(|body| (body.to_owned(), None)).into();
    let results = publish(client, "q", &bodies).await;
    for (index, result) in results.iter().enumerate() {
        match result {
            Ok(()) => assert_ne!(index, 2),
            Err(Refusal::Rejected(..)) => assert_eq!(index, 2),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_flush_waits_for_every_answer_and_says_how_many_there_are_not() {
    let fails = Arc::new(Mutex::new(true));
    let failing = fails.clone();
    let client = fake::client(move |_, request| {
        let fails = *failing.lock().unwrap();
        Ok(fake::batch(request, |_| if fails { Err(("InternalError", false)) } else { Ok(()) }))
    })
    .await;
    let sink = Sqs::connect(Config { limit: None, ..Config::new(client) }, [Arc::from("q")]).await.unwrap();
    let (flow, mut events) = mpsc::channel(30);
    for index in 0..30 {
        let ticket = Ticket::new(flow.clone(), DeliveryId::default(), index);
        assert!(sink.publish(&publication("q", "x", None), ticket).is_ok());
    }
    assert_eq!(sink.flush(Duration::from_millis(50)).await, 30);
    *fails.lock().unwrap() = false;
    assert_eq!(sink.flush(WAIT).await, 0);
    assert_eq!(std::iter::from_fn(|| events.try_recv().ok()).map(|answers| answers.len()).sum::<usize>(), 30);
    sink.close(WAIT).await;
}

#[tokio::test]
async fn an_end_says_how_many_publications_it_leaves_and_settles_their_tickets() {
    let client = fake::client(|_, request| Ok(fake::batch(request, |_| Err(("InternalError", false))))).await;
    let sink = Sqs::connect(Config { limit: None, ..Config::new(client) }, [Arc::from("q")]).await.unwrap();
    let (flow, mut events) = mpsc::channel(30);
    for index in 0..30 {
        let ticket = Ticket::new(flow.clone(), DeliveryId::default(), index);
        assert!(sink.publish(&publication("q", "x", None), ticket).is_ok());
    }
    assert_eq!(sink.close(Duration::from_millis(50)).await, 30);
    assert_eq!(std::iter::from_fn(|| events.try_recv().ok()).map(|answers| answers.len()).sum::<usize>(), 30);
}
