//! The filters of the command line.

use bytes::Bytes;
use clap::Args;
use cofferdam_core::outcome::Class;
use cofferdam_core::time::Time;

use crate::clock::Clock;
use crate::config::duration;
use crate::dead_letters::filter::{Filter, State};

/// Which letters are meant. A letter must match all given filters, and any of the values of one filter (of headers: all).
#[derive(Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Choice {
    /// Select by the outcome of the last attempt: permanent, retryable, timed_out, trapped, malformed, ...
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = outcome)]
    outcome: Vec<Class>,
    /// Select by the code of the last attempt, for example VALIDATION_ERROR.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    code: Vec<String>,
    /// Select by the plugin name of the handler.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    handler: Vec<String>,
    /// Select dead letters given up at or after this time: ISO 8601 (UTC by default), or an age: 30m, 2h, 7d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) since: Option<Time>,
    /// Select dead letters given up before this time, in the same formats.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Time>,
    /// Select by a header of the original message.
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// Select by the key or message group of the original message; base64:... for a binary key.
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Vec<Bytes>,
}

impl Choice {
    pub(super) fn filter(&self, state: State) -> Filter {
        Filter {
            outcomes: self.outcome.clone(),
            codes: self.code.clone(),
            handlers: self.handler.clone(),
            since: self.since,
            until: self.until,
            headers: self.header.clone(),
            keys: self.key.clone(),
            positions: Vec::new(),
            state,
        }
    }
}

fn outcome(text: &str) -> Result<Class, String> {
    let known = serde_json::from_value::<Class>(text.into());
    known.map_err(|_| {
        "unknown outcome; expected one from the table in host/docs/sandbox.md, for example permanent".to_owned()
    })
}

/// Parses a time or an age.
pub(super) fn moment(text: &str) -> Result<Time, String> {
    if let Some(ago) = duration(text) {
        return Ok(Clock::set().now().before(ago));
    }
    text.parse().map_err(|_| "expected for example 2h, 7d, 2026-11-21 or 2026-11-21T05:01:36Z".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected for example tenant=acme")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn key(text: &str) -> Result<Bytes, String> {
    use base64::Engine;
    match text.strip_prefix("base64:") {
        Some(coded) => base64::engine::general_purpose::STANDARD
            .decode(coded)
            .map(Bytes::from)
            .map_err(|error| format!("invalid base64: {error}")),
        None => Ok(Bytes::from(text.to_owned())),
    }
}
