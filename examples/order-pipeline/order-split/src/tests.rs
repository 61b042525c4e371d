//! What the route `split-orders` relies on.

use cofferdam_sdk::{FailureKind, test};

use super::*;

fn placed(payload: &str) -> test::MessageBuilder {
    test::message().attribute("type", ORDER_PLACED).attribute("entityid", "order-1").payload(payload)
}

fn simulated(what: &str) -> test::MessageBuilder {
    placed(&format!(r#"{{"order_id":"order-1","items":[{{"article":"mug","quantity":1}}],"simulate":"{what}"}}"#))
}

#[test]
fn an_order_becomes_one_task_for_each_item_in_order() {
    let order =
        placed(r#"{"order_id":"order-1","items":[{"article":"mug","quantity":2},{"article":"mug","quantity":1}]}"#);
    let tasks = handle(order.build()).unwrap();
    let payloads: Vec<_> = tasks.iter().map(|task| String::from_utf8(task.payload.clone().unwrap()).unwrap()).collect();
    assert_eq!(
        payloads,
        [
            r#"{"order_id":"order-1","task_name":"item-1","total_tasks":2,"article":"mug","quantity":2}"#,
            r#"{"order_id":"order-1","task_name":"item-2","total_tasks":2,"article":"mug","quantity":1}"#,
        ]
    );
}

#[test]
fn a_task_carries_the_names_of_the_group_template_and_leaves_the_key_to_it() {
    let order = placed(r#"{"order_id":"order-1","items":[{"article":"mug","quantity":2}]}"#);
    let task = handle(order.build()).unwrap().remove(0);
    let expected = [("type", ITEM_REQUESTED), ("entityid", "order-1"), ("taskname", "item-1"), ("totaltasks", "1")];
    assert_eq!(task.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((task.to.as_str(), task.key), ("tasks", None));
}

#[test]
fn the_same_order_gives_the_same_tasks_at_every_attempt() {
    let order = simulated("retry-twice");
    let third = handle(order.clone().attempt(3).build()).unwrap();
    assert_eq!(handle(order.attempt(4).build()).unwrap(), third);
}

#[test]
fn what_is_no_order_is_refused_for_good() {
    for payload in [
        "",
        "nonsense",
        r#"{"order_id":"order-1"}"#,
        r#"{"order_id":"order-1","items":[]}"#,
        r#"{"order_id":"order-1","items":[{"article":"mug","quantity":-1}]}"#,
        r#"{"order_id":"order-1","items":[],"simulate":"sunshine"}"#,
    ] {
        let failure = handle(placed(payload).build()).unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "VALIDATION_ERROR"), "{payload}");
    }
    let other = test::message().attribute("type", "com.example.order.shipped").payload("{}").build();
    assert_eq!(handle(other).unwrap_err().code, "VALIDATION_ERROR");
}

#[test]
fn retry_twice_fails_two_attempts_and_no_more() {
    for attempt in [1, 2] {
        let failure = handle(simulated("retry-twice").attempt(attempt).build()).unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Retryable, "SERVICE_UNAVAILABLE"));
    }
    assert_eq!(handle(simulated("retry-twice").attempt(3).build()).unwrap().len(), 1);
}

#[test]
fn what_breaks_the_limits_of_the_route_is_more_than_they_allow() {
    assert_eq!(handle(simulated("unknown-output").build()).unwrap()[0].to, "nowhere");
    assert!(handle(simulated("too-many-outputs").build()).unwrap().len() > 50);
    assert!(handle(simulated("too-large").build()).unwrap()[0].counted_bytes() > 256 << 10);
}

#[test]
#[should_panic(expected = "the order asked for a panic")]
fn a_panic_is_a_panic() {
    let _ = handle(simulated("panic").build());
}
