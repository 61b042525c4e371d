//! One call of a plugin through Cofferdam, beside a bare wasmtime call of the same component with the same message.

use std::sync::Arc;

use bytes::Bytes;
use cofferdam::plugin::{Attempt, Engine, EngineConfig, Plugin, Spec};
use cofferdam_core::message::{Header, Message, Position, Record};
use cofferdam_core::outcome::Outcome;
use tokio::runtime::Runtime;

use crate::bare::{self, Given, Guest, Instances};
use crate::report::{Bound, Report};
use crate::{Effort, load, process};

/// Payloads: what they are called, bytes, calls of one turn, messages of a batch.
const SIZES: [(&str, usize, u32, usize); 3] =
    [("64 B", 64, 2_000, 64), ("1 KiB", 1_024, 2_000, 64), ("64 KiB", 65_536, 200, 8)];
/// Turns of each contestant in a round: short ones, so that what disturbs the machine disturbs all alike.
const TURNS: u32 = 20;

const WARM: &str = "Cofferdam, warm";
const FRESH: &str = "Cofferdam, fresh";
const BATCH: &str = "Cofferdam, batch";
const BARE_WARM: &str = "bare, warm";
const BARE_FRESH: &str = "bare, fresh";
const BARE_BATCH: &str = "bare, batch";
const STOPPABLE: &str = "bare, warm, stoppable";
const STOPPABLE_BATCH: &str = "bare, batch, stoppable";

/// Everybody, ready to be called.
struct Field {
    runtime: Runtime,
    warm: Plugin,
    fresh: Plugin,
    batch: Plugin,
    bare_warm: Guest,
    bare_fresh: Guest,
    bare_batch: Guest,
    stoppable: Guest,
    stoppable_batch: Guest,
}

/// Measures all sizes of payload.
pub(crate) fn measure(effort: Effort) -> anyhow::Result<Report> {
    let work = "One call with a key of 16 bytes and 4 headers, which comes back as one output; processor time of the calling \
                thread. Warm: Cofferdam with its defaults, so a new instance after 256 messages; bare with one instance for \
                all. Batch: 64 messages in one call (8 of 64 KiB), the time of each message. Bare: nothing is limited, \
                counted or stopped. Stoppable: the same on a stack of its own and with code that looks at the epoch, so that it \
                could be stopped wherever it is.";
    let mut report = Report::new("calls", work);
    let mut field = Field::new()?;
    for _ in 0..effort.rounds {
        for (title, size, calls, batch) in SIZES {
            let messages: Vec<Message> = (0..64).map(|number| message(number, size)).collect();
            let metric = format!("CPU ns/message, {title}");
            for (contestant, nanoseconds) in field.round(&messages, effort.of(calls), batch)? {
                report.add(contestant, &metric, nanoseconds);
            }
        }
    }
    let metric = "CPU ns/message, 1 KiB";
    report.goal(metric, WARM, Some(BARE_WARM), Bound::AtMost(1.25));
    report.goal(metric, FRESH, Some(BARE_FRESH), Bound::AtMost(1.25));
    report.goal(metric, BATCH, Some(BARE_BATCH), Bound::AtMost(1.25));
    Ok(report)
}

impl Field {
    fn new() -> anyhow::Result<Self> {
        let engine = Engine::new(EngineConfig::default())?;
        let (echo, echo_batch) = (kit::guest("echo"), kit::guest("echo-batch"));
        let fresh = Spec { reuse: 1, ..Spec::new("fresh") };
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build()?,
            warm: Plugin::open(&engine, &echo, Spec::new("warm"))?,
            fresh: Plugin::open(&engine, &echo, fresh)?,
            batch: Plugin::open(&engine, &echo_batch, Spec::new("batch"))?,
            bare_warm: Guest::open(&echo, Instances::Warm)?,
            bare_fresh: Guest::open(&echo, Instances::Fresh)?,
            bare_batch: Guest::open(&echo_batch, Instances::Warm)?,
            stoppable: Guest::open_stoppable(&echo)?,
            stoppable_batch: Guest::open_stoppable(&echo_batch)?,
        })
    }

    /// All in turn, many times; nanoseconds for each message.
    fn round(&mut self, messages: &[Message], calls: u32, batch: usize) -> anyhow::Result<Vec<(&'static str, f64)>> {
        let names = [WARM, BARE_WARM, STOPPABLE, FRESH, BARE_FRESH, BATCH, BARE_BATCH, STOPPABLE_BATCH];
        let mut spent = names.map(|name| (name, 0.0));
        for _ in 0..TURNS {
            for (name, spent) in &mut spent {
                let before = process::thread_time();
                self.turn(name, messages, calls, batch)?;
                *spent += (process::thread_time() - before).as_nanos() as f64;
            }
        }
        Ok(spent.map(|(name, spent)| (name, spent / f64::from(calls * TURNS))).to_vec())
    }

    fn turn(&mut self, contestant: &str, messages: &[Message], calls: u32, batch: usize) -> anyhow::Result<()> {
        let messages = messages.iter().cycle().take(calls as usize);
        match contestant {
            WARM => self.runtime.block_on(handle(&self.warm, messages)),
            FRESH => self.runtime.block_on(handle(&self.fresh, messages)),
            BATCH => self.runtime.block_on(handle_batch(&self.batch, messages, batch)),
            BARE_WARM => call(&mut self.bare_warm, messages),
            BARE_FRESH => call(&mut self.bare_fresh, messages),
            STOPPABLE => call(&mut self.stoppable, messages),
            STOPPABLE_BATCH => call_batch(&mut self.stoppable_batch, messages, batch),
            _ => call_batch(&mut self.bare_batch, messages, batch),
        }
    }
}

async fn handle<'a>(plugin: &Plugin, messages: impl Iterator<Item = &'a Message>) -> anyhow::Result<()> {
    for message in messages {
        has_one_output(&plugin.handle(message, 1).await)?;
    }
    Ok(())
}

async fn handle_batch<'a>(
    plugin: &Plugin,
    messages: impl Iterator<Item = &'a Message>,
    batch: usize,
) -> anyhow::Result<()> {
    let messages: Vec<(&Message, u32)> = messages.map(|message| (message, 1)).collect();
    for messages in messages.chunks(batch) {
        let attempts = plugin.handle_batch(messages).await.map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
        attempts.iter().try_for_each(has_one_output)?;
    }
    Ok(())
}

fn has_one_output(attempt: &Attempt) -> anyhow::Result<()> {
    match &attempt.outcome {
        Outcome::Done(outputs) if outputs.len() == 1 => Ok(()),
        other => anyhow::bail!("no echo: {other:?}"),
    }
}

fn call<'a>(guest: &mut Guest, messages: impl Iterator<Item = &'a Message>) -> anyhow::Result<()> {
    for message in messages {
        let headers = bare_headers(message);
        let outputs = guest.handle(given(message, &headers))?;
        anyhow::ensure!(outputs.len() == 1, "no echo");
    }
    Ok(())
}

fn call_batch<'a>(guest: &mut Guest, messages: impl Iterator<Item = &'a Message>, batch: usize) -> anyhow::Result<()> {
    let messages: Vec<&Message> = messages.collect();
    for messages in messages.chunks(batch) {
        let headers: Vec<_> = messages.iter().map(|message| bare_headers(message)).collect();
        let given: Vec<Given<'_>> = messages.iter().zip(&headers).map(|(message, it)| given(message, it)).collect();
        let answers = guest.handle_batch(&given)?;
        anyhow::ensure!(answers == messages.len(), "no echo");
    }
    Ok(())
}

fn bare_headers(message: &Message) -> [bare::Header<'_>; 4] {
    let mut headers = message.record.headers.iter();
    std::array::from_fn(|_| {
        let Header { name, value, .. } = headers.next().expect("there are four");
        bare::Header { name: std::str::from_utf8(name).unwrap_or_default(), value: value.unwrap_or_default() }
    })
}

fn given<'a>(message: &'a Message, headers: &'a [bare::Header<'a>]) -> Given<'a> {
    Given {
        id: &message.id,
        source: &message.record.source,
        position: "0/1234567",
        key: message.record.key.as_deref(),
        headers,
        attributes: &[],
        payload: message.payload.as_deref(),
        timestamp_ms: 1_795_237_296_000,
        attempt: 1,
    }
}

fn message(number: u32, size: usize) -> Message {
    let record = Record {
        source: "orders".into(),
        position: Position::Offset { partition: 0, offset: 1_234_567 + i64::from(number) },
        key: Some(load::key(number, load::KEYS).into()),
        headers: load::HEADERS.map(|(name, value)| Header::text(name, value)).into(),
        payload: Some(Bytes::from(load::payload(number, size))),
        timestamp_ms: Some(1_795_237_296_000),
    };
    Arc::new(record).into()
}
