//! The same handler as `wasi-messaging`, for `wasmcloud:messaging@0.3.0` of wasmCloud 1, whose interface has the same words.

#![cfg(target_family = "wasm")]
#![allow(missing_docs, reason = "generated")]

wit_bindgen::generate!({ path: "wit", world: "messaging-request-reply" });

use exports::wasmcloud::messaging::incoming_handler::Guest;
use wasmcloud::messaging::{producer, request_reply, types};

#[path = "../../wasi-messaging/src/handler.rs"]
mod handler;

struct Handler;

impl Guest for Handler {
    fn handle(message: types::Message) -> Result<(), types::Error> {
        handler::handle(message)
    }
}

export!(Handler);
