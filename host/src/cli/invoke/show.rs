//! Shows the result of an attempt as text or JSON.

use cofferdam_core::message::Header;
use cofferdam_core::outcome::{Failure, Outcome};
use cofferdam_core::output::Output;
use serde_json::{Map, Value, json};

use super::super::bytes::{header, insert_bytes, shown};
use super::super::{print_json, print_line};
use crate::escape::Escaped;
use crate::plugin::{Attempt, Plugin};

/// Prints the attempt.
pub(super) fn show(attempt: &Attempt, plugin: &Plugin, json: bool) {
    if json {
        print_json(&as_json(attempt, plugin).to_string());
    } else {
        as_text(attempt).iter().for_each(|line| print_line(line));
    }
}

fn as_json(attempt: &Attempt, plugin: &Plugin) -> Value {
    let (outputs, failure) = match &attempt.outcome {
        Outcome::Done(outputs) => (outputs.as_slice(), None),
        Outcome::Failed(failure) => (&[][..], Some(failure)),
    };
    json!({
        "outcome": attempt.outcome.class().as_str(),
        "code": failure.map(|failure| failure.code.as_str()),
        "text": failure.map(|failure| &*failure.text),
        "retry_after_ms": failure.and_then(|failure| failure.retry_after).map(|wait| wait.as_millis()),
        "outputs": outputs.iter().map(output).collect::<Vec<_>>(),
        "usage": attempt.usage,
        "plugin": { "digest": plugin.id().digest, "contract": plugin.contract().name() },
        "logs": attempt.logs.lines,
        "backtrace": failure.map_or(&[][..], |failure| &failure.backtrace),
    })
}

fn output(output: &Output) -> Value {
    let mut fields = Map::new();
    fields.insert("to".into(), (*output.to).into());
    insert_bytes(&mut fields, "key", output.key.as_ref());
    fields.insert("headers".into(), output.headers.iter().map(header).collect());
    let attributes = output.attributes.iter().map(|(name, value)| (name.to_string(), Value::from(&**value)));
    fields.insert("attributes".into(), Value::Object(attributes.collect()));
    insert_bytes(&mut fields, "payload", output.payload.as_ref());
    Value::Object(fields)
}

fn as_text(attempt: &Attempt) -> Vec<String> {
    let mut lines = Vec::new();
    match &attempt.outcome {
        Outcome::Done(outputs) => {
            let plural = if outputs.len() == 1 { "" } else { "s" };
            lines.push(format!("done, {} output{plural}", outputs.len()));
            for output in outputs {
                let key = output.key.as_deref().map_or_else(|| "-".into(), shown);
                let payload = output.payload.as_deref().map_or_else(|| "(tombstone)".into(), shown);
                lines.push(format!("  {} key {key}: {payload}", Escaped(&output.to)));
                for Header { name, value, .. } in output.headers.iter() {
                    let value = value.map_or_else(|| "(null)".into(), shown);
                    lines.push(format!("    header {}: {value}", shown(name)));
                }
            }
        }
        Outcome::Failed(failure) => failed(failure, &mut lines),
    }
    for line in &attempt.logs.lines {
        lines.push(format!("log {:?} {}: {}", line.level, Escaped(&line.context), Escaped(&line.text)));
    }
    if attempt.logs.dropped > 0 {
        lines.push(format!("log lines over the limit: {}", attempt.logs.dropped));
    }
    let usage = attempt.usage;
    lines.push(format!(
        "usage: {} us wall, {} us CPU, {} KiB peak memory, {} host calls, {} output bytes",
        usage.wall_us,
        usage.cpu_us,
        usage.memory_peak_bytes / 1024,
        usage.host_calls,
        usage.output_bytes,
    ));
    lines
}

fn failed(failure: &Failure, lines: &mut Vec<String>) {
    lines.push(format!("{} {}: {}", failure.class, failure.code, Escaped(&failure.text)));
    if let Some(wait) = failure.retry_after {
        lines.push(format!("  asks for a retry after {} ms", wait.as_millis()));
    }
    for (number, frame) in failure.backtrace.iter().enumerate() {
        lines.push(format!("  {number}: {}", Escaped(frame)));
    }
}
