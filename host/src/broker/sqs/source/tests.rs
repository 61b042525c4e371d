use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::broker::sqs::fake;

fn ids<const N: usize>() -> [DeliveryId; N] {
    let mut ids = slotmap::SlotMap::with_key();
    std::array::from_fn(|_| ids.insert(()))
}

async fn connect(client: Client, queue: &str) -> Sqs {
    Sqs::connect(Config::new(client, queue, Clock::set())).await.unwrap()
}

async fn next(source: &mut Sqs) -> Event {
    tokio::time::timeout(Duration::from_secs(30), source.next()).await.unwrap().unwrap()
}

fn handles(request: &Value) -> Vec<String> {
    let entries = request["Entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["ReceiptHandle"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn one_bad_receipt_does_not_spoil_a_batch_that_is_refused_as_a_whole() {
    let client = fake::client(|_, request| {
        if handles(request).iter().any(|handle| handle == "bad") {
            return Err("com.amazonaws.sqs#ReceiptHandleIsInvalid");
        }
        Ok(fake::batch(request, |_| Ok(())))
    })
    .await;
    let mut source = connect(client, "q").await;
    let [a, b, c] = ids();
    for (delivery, receipt) in [(a, "a"), (b, "bad"), (c, "c")] {
        source.ask(Ask::Delete { delivery, receipt: receipt.into() });
    }
    assert!(matches!(next(&mut source).await, Event::Deleted(deleted) if deleted == [a, c]));
    assert!(matches!(next(&mut source).await, Event::LeaseLost(lost) if lost == [b]));
    source.close().await;
}

#[tokio::test]
async fn an_entry_that_fails_for_now_is_deleted_later() {
    let failures = Mutex::new(2);
    let client = fake::client(move |_, request| {
        Ok(fake::batch(request, |entry| {
            let mut failures = failures.lock().unwrap();
            if entry["ReceiptHandle"] == "slow" && *failures > 0 {
                *failures -= 1;
                return Err(("InternalError", false));
            }
            Ok(())
        }))
    })
    .await;
    let mut source = connect(client, "q").await;
    let [quick, slow] = ids();
    source.ask(Ask::Delete { delivery: slow, receipt: "slow".into() });
    source.ask(Ask::Delete { delivery: quick, receipt: "quick".into() });
    assert!(matches!(next(&mut source).await, Event::Deleted(deleted) if deleted == [quick]));
    assert!(matches!(next(&mut source).await, Event::Deleted(deleted) if deleted == [slow]));
    source.close().await;
}

#[tokio::test]
async fn an_extension_that_meets_a_deleted_message_is_no_lost_lease() {
    // Extensions do not find the message; the delete succeeds at its second attempt, after them.
    let (extended, tries) = (Arc::new(Mutex::new(false)), Mutex::new(0));
    let seen = extended.clone();
    let client = fake::client(move |operation, request| {
        if operation == "ChangeMessageVisibilityBatch" {
            *seen.lock().unwrap() = true;
            return Ok(fake::batch(request, |_| Err(("ReceiptHandleIsInvalid", true))));
        }
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        let done = *tries > 1 && *seen.lock().unwrap();
        Ok(fake::batch(request, |_| if done { Ok(()) } else { Err(("InternalError", false)) }))
    })
    .await;
    let mut source = connect(client, "q").await;
    let [delivery] = ids();
    source.ask(Ask::Delete { delivery, receipt: "r".into() });
    source.ask(Ask::Extend { delivery, receipt: "r".into(), lease: Duration::from_secs(60) });
    assert!(matches!(next(&mut source).await, Event::Deleted(deleted) if deleted == [delivery]));
    assert!(*extended.lock().unwrap());
    source.close().await;
}

#[tokio::test]
async fn the_messages_of_one_release_stay_together_and_in_order() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    let client = fake::client(move |_, request| {
        seen.lock().unwrap().push(handles(request));
        Ok(fake::batch(request, |_| Ok(())))
    })
    .await;
    let mut source = connect(client, "q.fifo").await;
    let receipts = |name: &str, count: usize| (0..count).map(|n| format!("{name}{n:02}").into()).collect();
    for (name, count) in [("a", 6), ("b", 6), ("c", 23), ("d", 2)] {
        source.ask(Ask::Release { receipts: receipts(name, count), delay: Duration::ZERO });
    }
    source.close().await;
    let calls = calls.lock().unwrap();
    let sizes: Vec<_> = calls.iter().map(Vec::len).collect();
    assert_eq!(sizes, [6, 6, 10, 10, 3, 2]);
    assert!(calls.concat().is_sorted());
}

#[tokio::test]
async fn messages_that_were_received_and_not_taken_go_back_when_the_source_closes() {
    let released = Arc::new(Mutex::new(Vec::new()));
    let seen = released.clone();
    let client = fake::client(move |operation, request| match operation {
        "ReceiveMessage" => {
            let message = |name: &str| json!({ "MessageId": name, "ReceiptHandle": name, "Body": name });
            Ok(json!({ "Messages": [message("a"), message("b")] }))
        }
        _ => {
            seen.lock().unwrap().extend(handles(request));
            Ok(fake::batch(request, |_| Ok(())))
        }
    })
    .await;
    let mut source = connect(client, "q").await;
    source.ask(Ask::Grant { messages: 2, bytes: 1 << 20 });
    while source.events.is_empty() {
        assert!(source.next().now_or_never().is_none(), "they were taken");
        tokio::task::yield_now().await;
    }
    source.close().await;
    assert_eq!(*released.lock().unwrap(), ["a", "b"]);
}
