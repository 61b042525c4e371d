//! `cofferdam dlq show`.

use bytes::Bytes;
use clap::Args;
use cofferdam_core::dead_letter::{Attempt, Reasons};
use cofferdam_core::message::Position;
use cofferdam_core::time::Time;
use serde_json::{Map, Value};

use super::super::bytes::shown;
use super::super::run::runtime;
use super::super::{Ended, OutputArguments, print_json, print_line};
use super::place::Place;
use super::{Where, words};
use crate::dead_letters::{Found, Next};
use crate::exit::{Exit, Problem};

#[derive(Args)]
pub(in super::super) struct Arguments {
    /// Topic or queue (not with --route), and the position as `list` shows it: PARTITION/OFFSET, or a message id.
    #[arg(value_name = "DESTINATION POSITION", required = true, num_args = 1..=2)]
    what: Vec<String>,
    #[command(flatten)]
    which: Where,
    #[command(flatten)]
    pub(in super::super) output: OutputArguments,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    runtime()?.block_on(async {
        let (destination, position) = named(&arguments.what, &arguments.which)?;
        let place = Place::find(&arguments.which, destination).await?;
        let found = find(&place, position).await?;
        if arguments.output.json {
            print_json(&words::whole(&found).to_string());
        } else {
            lines(&found).iter().for_each(|line| print_line(line));
        }
        Ok(Exit::Success)
    })
}

/// Splits the arguments into destination (`None` with `--route`) and position.
pub(super) fn named<'a>(what: &'a [String], which: &Where) -> Result<(Option<&'a str>, &'a str), Problem> {
    match (what, &which.route) {
        ([position], Some(_)) => Ok((None, position)),
        ([destination, position], None) => Ok((Some(destination), position)),
        ([destination, _], Some(route)) => {
            let what = format!("both the topic or queue {destination} and --route {route} are given");
            Err(Problem::new(Exit::Usage, what, "omit one of them"))
        }
        _ => {
            let what = match what.len() {
                0 | 1 => "missing topic or queue, or position".to_owned(),
                several => format!("{several} arguments are given, not one topic or queue and one position"),
            };
            let remedy = "expected for example orders.placed.dlq 0/17, or --route NAME 0/17";
            Err(Problem::new(Exit::Usage, what, remedy))
        }
    }
}

/// Finds the dead letter at this position.
pub(super) async fn find(place: &Place, position: &str) -> Result<Found, Problem> {
    let destination = place.only()?;
    let store = place.brokers.dead_letters(destination).await?;
    words::warn_of_receives(&*store);
    let wanted = Position::of(position);
    let mut letter = None;
    let mut look = |found: Found| {
        if found.position != wanted {
            return Next::More;
        }
        letter = Some(found);
        Next::Enough
    };
    let looked = store.look(&mut look).await.map_err(|error| error.problem().at(destination.to_string()))?;
    letter.ok_or_else(|| {
        words::say_unseen(destination, looked);
        let remedy = format!("`cofferdam dlq list {destination}` shows the positions");
        Problem::new(Exit::Data, format!("no dead letter at {position:?}"), remedy).at(destination.to_string())
    })
}

/// Returns all of a dead letter as text.
pub(super) fn lines(found: &Found) -> Vec<String> {
    let mut lines = vec![found.id()];
    let mut say = |name: &str, value: String| lines.push(format!("{name:<12}{value}"));
    match (found.reasons(), &found.redriven) {
        (Some(reasons), _) => why(found, reasons, &mut say),
        (None, Some(source)) => {
            say("came from", format!("{source}, moved by its redrive policy after too many receives"))
        }
        (None, None) => say("came from", "(unknown: the message carries no reasons)".into()),
    }
    if let Some(stored) = found.stored.filter(|_| found.reasons().is_none()) {
        say("stored", stored.to_string());
    }
    if found.replays.count > 0 {
        let last = found.replays.last.map_or_else(String::new, |last| format!(", last {last}"));
        let times = if found.replays.count == 1 { "once".to_owned() } else { format!("{} times", found.replays.count) };
        say("replayed", format!("{times}{last}"));
    }
    if found.replays.in_doubt {
        say("in doubt", "an interrupted replay may have sent it; the next replay sends it with the same id".into());
    }
    if let Some(reasons) = found.reasons() {
        block("attempts", attempts(reasons), &mut lines);
        let frames = reasons.backtrace.iter().flat_map(|frames| frames.lines().map(words::escaped));
        block("backtrace", frames.collect(), &mut lines);
    }
    original(found, &mut lines);
    lines
}

fn why(found: &Found, reasons: &Reasons, say: &mut impl FnMut(&str, String)) {
    let escaped = |text: &str| words::escaped(text);
    let word = |word: &Option<Box<str>>| escaped(word.as_deref().unwrap_or_default());
    say("outcome", format!("{} {}", word(&reasons.outcome), word(&reasons.code)));
    say("text", word(&reasons.text));
    let first = reasons.first_failure.map_or_else(String::new, |first| format!(", failed first {first}"));
    say("given up", format!("{}{first}", found.time().map_or_else(|| "-".into(), |time| time.to_string())));
    say("route", word(&reasons.route));
    if let Some(handler) = &reasons.handler {
        let digest = reasons.digest.as_deref().map_or_else(String::new, |digest| format!(" ({})", escaped(digest)));
        say("handler", format!("{}{digest}", escaped(handler)));
    }
    let group = reasons.group.as_deref().map_or_else(String::new, |group| format!(", group {}", escaped(group)));
    let origin = found.origin().map_or_else(|| "-".into(), |origin| origin.to_string());
    say("came from", format!("{}/{}{group}", escaped(&origin), found.letter.original.position));
    if let Some(usage) = &reasons.usage {
        say("usage", used(usage));
    }
    if let Some(trace) = &reasons.trace {
        say("trace", escaped(trace));
    }
    if let Some(correlation) = &reasons.correlation {
        say("correlation", escaped(correlation));
    }
}

/// Returns the known resource usage of the last attempt.
fn used(usage: &Map<String, Value>) -> String {
    let parts = [
        ("wall_us", 1, "us wall"),
        ("cpu_us", 1, "us CPU"),
        ("memory_peak_bytes", 1024, "KiB peak memory"),
        ("host_calls", 1, "host calls"),
        ("output_bytes", 1, "output bytes"),
    ];
    let parts = parts.into_iter().filter_map(|(name, unit, words)| {
        let amount = usage.get(name)?.as_u64()?;
        Some(format!("{} {words}", amount / unit))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn attempts(reasons: &Reasons) -> Vec<String> {
    let listed = reasons.attempts.as_ref().map_or(0, Vec::len);
    // Attempts before a restart are counted, but not listed.
    let before = usize::try_from(words::attempts(reasons)).unwrap_or(usize::MAX).saturating_sub(listed);
    let attempts = reasons.attempts.iter().flatten().enumerate();
    let line = |(number, attempt): (usize, &Attempt)| {
        let Attempt { time, outcome, code, text } = attempt;
        let [outcome, code, text]: [&str; 3] = [outcome, code, text];
        let [outcome, code, text] = [outcome, code, text].map(words::escaped);
        format!("{}  {time}  {outcome}  {code}  {text}", before + number + 1).trim_end().to_owned()
    };
    attempts.map(line).collect()
}

fn original(found: &Found, lines: &mut Vec<String>) {
    let original = &found.letter.original;
    lines.push(String::new());
    lines.push("original message".to_owned());
    let timestamp = original.timestamp_ms.map_or_else(|| "-".into(), |time| Time::from_millis(time).to_string());
    lines.push(format!("{:<12}{timestamp}", "timestamp"));
    lines.push(format!("{:<12}{}", "key", original.key.as_deref().map_or_else(|| "-".into(), shown)));
    let headers = original.headers.iter().map(|header| {
        let name = words::escaped(&String::from_utf8_lossy(header.name));
        header.value.map_or_else(|| format!("{name} (null)"), |value| format!("{name}: {}", shown(value)))
    });
    block("headers", headers.collect(), lines);
    match &original.payload {
        None => lines.push("payload     (none: a tombstone)".to_owned()),
        Some(payload) => block(&format!("payload ({} bytes)", payload.len()), text(payload), lines),
    }
}

/// Returns UTF-8 line by line, other bytes as base64.
fn text(payload: &Bytes) -> Vec<String> {
    match std::str::from_utf8(payload) {
        Ok(text) => text.split('\n').map(words::escaped).collect(),
        Err(_) => vec![shown(payload)],
    }
}

fn block(name: &str, block: Vec<String>, lines: &mut Vec<String>) {
    if !block.is_empty() {
        lines.push(name.to_owned());
        lines.extend(block.into_iter().map(|line| format!("  {line}")));
    }
}
