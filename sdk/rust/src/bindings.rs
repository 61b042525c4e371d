//! The generated side of the contract, and the translation to the types handlers see. Not part of the SDK's interface:
//! only `handler!` uses it from outside.

#![allow(missing_docs, reason = "generated from wit/v1, which documents every item")]

wit_bindgen::generate!({
    path: "wit",
    world: "cofferdam:plugin/guest",
    pub_export_macro: true,
    default_bindings_module: "cofferdam_sdk::bindings",
    generate_all,
});

pub use cofferdam::plugin::types::{Failure, Message, Output};
pub use exports::cofferdam::plugin::handler::Guest;

use cofferdam::plugin::types::{Fault, Header};

/// The export for several messages.
pub mod batch {
    wit_bindgen::generate!({
        path: "wit",
        world: "cofferdam:plugin/guest-batch",
        pub_export_macro: true,
        default_bindings_module: "cofferdam_sdk::bindings::batch",
        with: { "cofferdam:plugin/types@0.1.0": crate::bindings::cofferdam::plugin::types },
    });

    pub use exports::cofferdam::plugin::batch_handler::Guest;
}

/// Calls a handler of several messages with the friendly types.
pub fn run_batch(
    handle: fn(Vec<crate::Message>) -> Vec<Result<Vec<crate::Output>, crate::Failure>>,
    messages: Vec<Message>,
) -> Vec<Result<Vec<Output>, Failure>> {
    handle(messages.into_iter().map(crate::Message::from).collect()).into_iter().map(answer).collect()
}

/// Calls a handler of several messages with one.
///
/// # Panics
///
/// It gives another number of results.
pub fn run_batch_of_one(
    handle: fn(Vec<crate::Message>) -> Vec<Result<Vec<crate::Output>, crate::Failure>>,
    message: Message,
) -> Result<Vec<Output>, Failure> {
    let mut results = run_batch(handle, vec![message]);
    assert_eq!(results.len(), 1, "a result for each message");
    results.pop().expect("there is one")
}

/// Calls a handler with the friendly types.
pub fn run(
    handle: fn(crate::Message) -> Result<Vec<crate::Output>, crate::Failure>,
    message: Message,
) -> Result<Vec<Output>, Failure> {
    answer(handle(message.into()))
}

fn answer(said: Result<Vec<crate::Output>, crate::Failure>) -> Result<Vec<Output>, Failure> {
    said.map(|outputs| outputs.into_iter().map(Output::from).collect()).map_err(Failure::from)
}

impl From<Message> for crate::Message {
    fn from(message: Message) -> Self {
        let headers = message.headers.into_iter();
        Self {
            id: message.id,
            source: message.source,
            position: message.position,
            key: message.key,
            headers: headers.map(|header| crate::Header { name: header.name, value: header.value }).collect(),
            attributes: message.attributes,
            payload: message.payload,
            timestamp_ms: message.timestamp_ms,
            attempt: message.attempt,
        }
    }
}

impl From<crate::Output> for Output {
    fn from(output: crate::Output) -> Self {
        let headers = output.headers.into_iter();
        Self {
            to: output.to,
            key: output.key,
            headers: headers.map(|header| Header { name: header.name, value: header.value }).collect(),
            attributes: output.attributes,
            payload: output.payload,
        }
    }
}

impl From<crate::Failure> for Failure {
    fn from(failure: crate::Failure) -> Self {
        let fault = Fault {
            code: failure.code,
            text: failure.text,
            // Far beyond any policy, which clamps it anyway.
            retry_after_ms: failure.retry_after.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
        };
        match failure.kind {
            crate::FailureKind::Retryable => Failure::Retryable(fault),
            crate::FailureKind::Permanent => Failure::Permanent(fault),
            crate::FailureKind::Deferred => Failure::Deferred(fault),
        }
    }
}
