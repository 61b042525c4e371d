//! A handler written for `wasi:messaging@0.2.0-draft`, which knows nothing of its host; the data of the message says what
//! it does.

#![cfg(target_family = "wasm")]
#![allow(missing_docs, reason = "generated")]

wit_bindgen::generate!({ path: "wit", world: "messaging-request-reply" });

use exports::wasi::messaging::incoming_handler::Guest;
use wasi::messaging::{producer, request_reply, types};

mod handler;

struct Handler;

impl Guest for Handler {
    fn handle(message: types::Message) -> Result<(), types::Error> {
        handler::handle(message)
    }
}

export!(Handler);
