//! A handler of several messages, whose behaviour is chosen by each: `{"do": "echo"}`, `"fail"`, `"permanent"`, `"panic"`,
//! `"loop"`, `"short"`, `"much"`.

use cofferdam_sdk::{Failure, Message, Output, batch_handler, log};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    #[serde(rename = "do")]
    what: What,
    /// Attempts that fail before one succeeds.
    #[serde(default)]
    times: u32,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Copies the message to the output `out`, and says in a header how many there were in the call.
    Echo,
    /// Fails retryably `times` times, then copies.
    Fail,
    /// Never again.
    Permanent,
    /// A bug.
    Panic,
    /// Never returns.
    Loop,
    /// Has no result, where there are others.
    Short,
    /// More outputs than the limit.
    Much,
}

fn handle_batch(messages: Vec<Message>) -> Vec<Result<Vec<Output>, Failure>> {
    let together = messages.len();
    log::info(format_args!("{together} together"));
    messages.into_iter().filter_map(|message| handle(message, together)).collect()
}

fn handle(message: Message, together: usize) -> Option<Result<Vec<Output>, Failure>> {
    let order: Order = match message.json() {
        Ok(order) => order,
        Err(failure) => return Some(Err(failure)),
    };
    let attempt = message.attempt;
    let copy = || Output::copy_of(message.clone(), "out").header("together", together.to_string());
    Some(match order.what {
        What::Fail if attempt <= order.times => {
            Err(Failure::retryable("SERVICE_UNAVAILABLE", format!("attempt {attempt}")))
        }
        What::Echo | What::Fail => Ok(vec![copy()]),
        What::Permanent => Err(Failure::permanent("REFUSED", "as asked")),
        What::Panic => panic!("as asked"),
        What::Loop => loop {
            std::hint::black_box(());
        },
        What::Short if together > 1 => return None,
        What::Short => Ok(vec![copy()]),
        What::Much => Ok(std::iter::repeat_with(copy).take(2000).collect()),
    })
}

batch_handler!(handle_batch);
