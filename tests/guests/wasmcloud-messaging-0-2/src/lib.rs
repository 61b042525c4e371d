//! A handler written for `wasmcloud:messaging@0.2.0`, which knows nothing of its host; the body of the message says what it
//! does.

#![cfg(target_family = "wasm")]
#![allow(missing_docs, reason = "generated")]

wit_bindgen::generate!({ path: "wit", world: "messaging" });

use exports::wasmcloud::messaging::handler::Guest;
use wasmcloud::messaging::consumer::{publish, request};
use wasmcloud::messaging::types::BrokerMessage;

struct Handler;

impl Guest for Handler {
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        match message.body.as_slice() {
            b"two" => {
                say("out", "1")?;
                publish(&BrokerMessage { reply_to: Some("second".into()), ..of("second", "2") })
            }
            b"reply" => {
                let subject = message.reply_to.ok_or("nobody waits for a reply")?;
                publish(&BrokerMessage { subject, body: message.body, reply_to: Some(message.subject) })
            }
            b"fail" => {
                say("out", "lost")?;
                Err("as asked".to_owned())
            }
            b"panic" => {
                say("out", "lost")?;
                panic!("as asked")
            }
            b"request" => say("out", &request("out", b"?", 10).expect_err("nobody replies")),
            b"flood" => loop {
                say("out", "")?;
            },
            b"send too much" => loop {
                publish(&BrokerMessage { subject: "out".into(), body: vec![0; 65_536], reply_to: None })?;
            },
            _ => publish(&BrokerMessage { subject: "out".into(), ..message }),
        }
    }
}

fn of(subject: &str, body: &str) -> BrokerMessage {
    BrokerMessage { subject: subject.into(), body: body.into(), reply_to: None }
}

fn say(subject: &str, body: &str) -> Result<(), String> {
    publish(&of(subject, body))
}

export!(Handler);
