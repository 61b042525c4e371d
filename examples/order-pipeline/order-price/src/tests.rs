//! What the routes `price-tasks` and `close-failed` rely on, crashes at every step included.

use std::collections::BTreeSet;

use cofferdam_sdk::{FailureKind, test};
use serde_json::{Value, json};

use super::*;

/// As many steps of the key-value store as handling a task can take.
const STEPS: u32 = 12;

fn configure() {
    test::reset();
    test::set_config("currency", "EUR");
    test::set_config("price.mug", "950");
    test::set_config("price.tea", "420");
}

fn body(number: u32, total: u32, article: &str) -> Value {
    json!({ "order_id": "o-1", "task_name": format!("item-{number}"), "total_tasks": total, "article": article, "quantity": 2 })
}

fn task(number: u32, total: u32, article: &str) -> Message {
    let message = test::message().id(format!("o-1/{number}")).attribute("type", ITEM_REQUESTED);
    message.json(&body(number, total, article)).build()
}

/// The error event of a task that the host gave up.
fn given_up(number: u32, total: u32) -> Message {
    let original =
        json!({ "specversion": "1.0", "id": "x", "type": ITEM_REQUESTED, "data": body(number, total, "moon") });
    error_event("price-tasks", &json!(original.to_string()))
}

fn error_event(route: &str, original: &Value) -> Message {
    test::message()
        .json(&json!({ "route": route, "errorType": "VALIDATION_ERROR", "originalMessage": original }))
        .build()
}

fn priced(outputs: &[Output]) -> Value {
    assert_eq!(outputs.len(), 1);
    assert_eq!((outputs[0].to.as_str(), &outputs[0].key), ("priced", &None));
    serde_json::from_slice(outputs[0].payload.as_ref().unwrap()).unwrap()
}

#[test]
fn the_last_task_completes_the_order_with_its_total() {
    configure();
    assert_eq!(handle(task(2, 2, "tea")), Ok(vec![]));
    let outputs = handle(task(1, 2, "mug")).unwrap();
    assert_eq!(
        priced(&outputs),
        json!({
            "order_id": "o-1", "currency": "EUR", "total_cents": 2740, "partial": false,
            "items": [
                { "task_name": "item-1", "status": "priced", "article": "mug", "quantity": 2, "unit_cents": 950, "amount_cents": 1900 },
                { "task_name": "item-2", "status": "priced", "article": "tea", "quantity": 2, "unit_cents": 420, "amount_cents": 840 },
            ],
        })
    );
    let attributes = [("type", ORDER_PRICED), ("entityid", "o-1")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(outputs[0].attributes, attributes);
}

#[test]
fn a_task_delivered_twice_counts_once() {
    configure();
    assert_eq!(handle(task(1, 2, "mug")), Ok(vec![]));
    assert_eq!(handle(task(1, 2, "mug")), Ok(vec![]));
    assert_eq!(priced(&handle(task(2, 2, "tea")).unwrap())["total_cents"], 2740);
}

#[test]
fn the_task_that_completed_the_order_says_the_same_again_and_the_others_stay_silent() {
    configure();
    handle(task(1, 2, "mug")).unwrap();
    let first = handle(task(2, 2, "tea")).unwrap();
    test::set_config("price.tea", "999999");
    assert_eq!(handle(task(2, 2, "tea")), Ok(first));
    assert_eq!(handle(task(1, 2, "mug")), Ok(vec![]));
}

#[test]
fn an_unknown_article_is_refused_for_good_and_leaves_no_trace() {
    configure();
    let failure = handle(task(1, 1, "moon")).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "VALIDATION_ERROR"));
    assert_eq!(keyvalue::open("orders").unwrap().exists("o-1/task/item-1"), Ok(false));
}

#[test]
fn a_task_that_failed_for_good_does_not_keep_its_order_open() {
    for failed_last in [true, false] {
        configure();
        let (first, last) =
            if failed_last { (task(1, 2, "mug"), given_up(2, 2)) } else { (given_up(2, 2), task(1, 2, "mug")) };
        assert_eq!(handle(first), Ok(vec![]));
        let order = priced(&handle(last).unwrap());
        assert_eq!((&order["partial"], &order["total_cents"]), (&json!(true), &json!(1900)));
        assert_eq!(order["items"][1], json!({ "task_name": "item-2", "status": "failed", "code": "VALIDATION_ERROR" }));
    }
}

#[test]
fn a_body_without_an_envelope_is_understood_as_well() {
    configure();
    let event = error_event("price-tasks", &json!(body(1, 1, "moon").to_string()));
    assert_eq!(priced(&handle(event).unwrap())["partial"], true);
}

#[test]
fn a_priced_task_that_is_reported_as_failed_afterwards_stays_priced() {
    configure();
    handle(task(1, 2, "mug")).unwrap();
    handle(given_up(1, 2)).unwrap();
    assert_eq!(priced(&handle(task(2, 2, "tea")).unwrap())["partial"], false);
}

#[test]
fn errors_of_other_routes_are_nobodys_business_here() {
    configure();
    assert_eq!(handle(error_event("split-orders", &json!("not JSON"))), Ok(vec![]));
    assert_eq!(handle(error_event("close-failed", &json!({ "base64": "AA==" }))), Ok(vec![]));
}

#[test]
fn an_error_event_that_names_no_task_is_not_passed_over_in_silence() {
    configure();
    for original in [json!("not JSON"), json!({ "base64": "AA==" }), json!("{}"), json!(body(3, 2, "mug").to_string())]
    {
        assert_eq!(handle(error_event("price-tasks", &original)).unwrap_err().code, "VALIDATION_ERROR", "{original}");
    }
}

#[test]
fn a_task_that_is_none_of_its_order_is_refused() {
    configure();
    for (number, total) in [(0, 2), (3, 2), (1, 0), (1, 1_000_000)] {
        assert_eq!(handle(task(number, total, "mug")).unwrap_err().code, "VALIDATION_ERROR", "{number} of {total}");
    }
}

#[test]
fn without_the_configuration_the_task_waits() {
    test::set_config("price.mug", "nine fifty");
    assert_eq!(handle(task(1, 1, "mug")).unwrap_err().kind, FailureKind::Deferred);
    test::set_config("price.mug", "950");
    assert_eq!(handle(task(1, 1, "mug")).unwrap_err().code, "CONFIGURATION_MISSING");
}

/// A history: each message stops after so many steps, as by a crash, in the order given; after that every message is
/// delivered again until it was handled once. Returns the ids of messages that completed the order, and what they said.
fn history(messages: &[Message], crashes: &[(usize, u32)]) -> (BTreeSet<String>, BTreeSet<Vec<u8>>) {
    configure();
    let (mut closers, mut said) = (BTreeSet::new(), BTreeSet::new());
    let mut record = |message: &Message, outputs: Vec<Output>| {
        for output in outputs {
            closers.insert(message.id.clone());
            said.insert(output.payload.unwrap());
        }
    };
    for (which, steps) in crashes {
        test::fail_keyvalue_after(*steps);
        // What a crashed attempt would have emitted was not published.
        let _ = handle(messages[*which].clone());
    }
    test::mend_keyvalue();
    for message in messages {
        record(message, handle(message.clone()).unwrap());
    }
    for message in messages {
        record(message, handle(message.clone()).unwrap());
    }
    (closers, said)
}

#[test]
fn whatever_crashes_wherever_the_order_is_completed_by_exactly_one_task_with_one_content() {
    let good = [task(1, 2, "mug"), task(2, 2, "tea")];
    let mut partial = [task(1, 2, "mug"), given_up(2, 2)];
    partial[1].id = "error-event".to_owned();
    for messages in [good, partial] {
        let expected = history(&messages, &[]).1;
        configure();
        test::fail_keyvalue_after(2 * STEPS);
        assert!(messages.iter().all(|message| handle(message.clone()).is_ok()), "{STEPS} steps are enough");
        for first in 0..STEPS {
            for second in 0..STEPS {
                for crashes in [
                    [(0, first), (1, second)],
                    [(1, first), (0, second)],
                    [(0, first), (0, second)],
                    [(1, first), (1, second)],
                ] {
                    let (closers, said) = history(&messages, &crashes);
                    assert_eq!(closers.len(), 1, "{crashes:?}");
                    assert_eq!(said, expected, "{crashes:?}");
                }
            }
        }
    }
}
