//! Everything that a plugin of `cofferdam:plugin@0.1` can ask for and say; the payload of the message says what.

wit_bindgen::generate!({
    path: "../../../../wit/v1",
    world: "cofferdam:plugin/guest",
    generate_all,
});

use cofferdam::plugin::types::{Failure, Fault, Header, Message, Output};
use wasi::config::store as config;
use wasi::keyvalue::{atomics, store};
use wasi::logging::logging::{Level, log};

struct Stored;

impl exports::cofferdam::plugin::handler::Guest for Stored {
    fn handle(message: Message) -> Result<Vec<Output>, Failure> {
        let payload = message.payload.clone().unwrap_or_default();
        match payload.as_slice() {
            b"nothing" => Ok(Vec::new()),
            b"two" => Ok(vec![say("first", "1"), say("second", "2")]),
            b"tombstone" => Ok(vec![Output { payload: None, ..say("out", "") }]),
            b"own" => Ok(vec![Output {
                key: Some(b"\xff\x00".to_vec()),
                headers: vec![header("twice", b"1"), header("twice", b"\xfe")],
                attributes: vec![("type".into(), "stored".into())],
                ..say("out", "own")
            }]),
            b"facts" => {
                let Message { id, source, position, timestamp_ms, attempt, .. } = message;
                Ok(vec![say("out", &format!("{id} {source} {position} {timestamp_ms} {attempt}"))])
            }
            b"retryable" => Err(Failure::Retryable(fault("SERVICE_UNAVAILABLE", Some(1500)))),
            b"permanent" => Err(Failure::Permanent(fault("VALIDATION_ERROR", None))),
            b"deferred" => Err(Failure::Deferred(fault("TOO_EARLY", Some(60_000)))),
            b"panic" => panic!("as asked"),
            b"config" => Ok(vec![say("out", &format!("{:?}", config::get("missing")))]),
            b"log" => {
                log(Level::Warn, "stored", "a line");
                println!("on standard output");
                Ok(Vec::new())
            }
            b"count" => {
                let bucket = store::open("invoke").map_err(refused)?;
                atomics::increment(&bucket, "seen", 2).map_err(refused)?;
                let seen = atomics::increment(&bucket, "seen", 3).map_err(refused)?;
                bucket.set("value", b"kept").map_err(refused)?;
                let value = bucket.get("value").map_err(refused)?;
                Ok(vec![say("out", &format!("{seen} {value:?}"))])
            }
            _ => Ok(vec![Output {
                to: "echo".into(),
                key: message.key,
                headers: message.headers,
                attributes: message.attributes,
                payload: message.payload,
            }]),
        }
    }
}

fn say(to: &str, payload: &str) -> Output {
    let (key, headers, attributes) = Default::default();
    Output { to: to.into(), key, headers, attributes, payload: Some(payload.into()) }
}

fn header(name: &str, value: &[u8]) -> Header {
    Header { name: name.into(), value: value.into() }
}

fn fault(code: &str, retry_after_ms: Option<u64>) -> Fault {
    Fault { code: code.into(), text: "as asked".into(), retry_after_ms }
}

fn refused(error: store::Error) -> Failure {
    Failure::Retryable(Fault { code: "STORE".into(), text: format!("{error:?}"), retry_after_ms: None })
}

export!(Stored);
