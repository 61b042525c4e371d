//! `wasmcloud:messaging@0.2.0`: a message is a record with a subject, and messages that the handler publishes are outputs.

use std::borrow::Cow;

use bytes::Bytes;
use cofferdam_core::message::{Header, Message};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::output::Output;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::plugin::host::state::State;

/// The interface through which handlers publish.
pub(super) const CONSUMER: &str = "wasmcloud:messaging/consumer@0.2.0";

/// The header for `reply-to`, in both directions.
const REPLY_TO: &str = "reply-to";

/// `record broker-message`, as a parameter of the guest.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(in crate::plugin) struct BrokerMessage<'a> {
    subject: &'a str,
    body: &'a [u8],
    #[component(name = "reply-to")]
    reply_to: Option<&'a str>,
}

impl<'a> BrokerMessage<'a> {
    /// Converts the message. This contract has no key, headers, attributes or attempt number.
    pub(super) fn of(message: &'a Message) -> Self {
        let record = &message.record;
        let (body, reply_to) = (message.payload.as_deref().unwrap_or_default(), record.text_header(REPLY_TO));
        Self { subject: &record.source, body, reply_to }
    }
}

/// `record broker-message`, as published by the guest. It is also the type of an answer to a request, which never occurs.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Published {
    subject: String,
    body: Vec<u8>,
    #[component(name = "reply-to")]
    reply_to: Option<String>,
}

impl From<Published> for Output {
    fn from(published: Published) -> Self {
        Self {
            to: published.subject.into(),
            key: None,
            headers: published.reply_to.iter().map(|reply_to| Header::text(REPLY_TO, reply_to)).collect(),
            attributes: Vec::new(),
            payload: Some(Bytes::from(published.body)),
        }
    }
}

/// `result<_, string>`.
pub(in crate::plugin) type Answer = Result<(), String>;

/// Converts the handler's error. The contract cannot tell whether a retry would help, so the message is retried; the route
/// can define the code as permanent.
pub(super) fn failure(text: Cow<'_, str>) -> Failure {
    Failure::new(Class::Retryable, Code::of_handler("HANDLER_ERROR"), text)
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut consumer = linker.instance(CONSUMER)?;
    consumer.func_wrap("publish", |mut store: StoreContextMut<'_, State>, (message,): (Published,)| {
        store.data_mut().host_call().outbox.send(message.into())?;
        Ok((Answer::Ok(()),))
    })?;
    consumer.func_wrap("request", |mut store: StoreContextMut<'_, State>, _: (String, Vec<u8>, u32)| {
        store.data_mut().host_call();
        Ok((Result::<Published, String>::Err(super::incoming_handler::NO_REPLIES.into()),))
    })
}
