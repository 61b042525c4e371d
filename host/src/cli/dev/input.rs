//! The input of a folder: `input/TOPIC.jsonl` or `input/QUEUE.jsonl`, one message per line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::message::Record;
use cofferdam_core::output::{Destination, Publication};
use tokio::sync::mpsc;

use crate::broker;
use crate::config::{Config, Source, nearest};
use crate::exit::{Exit, Problem};
use crate::message_file::{self, MessageFile};
use crate::sink::{Answers, Busy, Sinks, Ticket};

/// Maximum number of unconfirmed messages while the input is sent.
const UNDER_WAY: usize = 1_000;

/// Wait time after a sink reported that it is full.
const SINK_BUSY: Duration = Duration::from_millis(5);

/// The messages to send, in order.
pub(super) struct Input(Vec<Publication>);

/// Returns a problem for each input file that no route reads, with the name that was probably meant.
pub(super) fn unread(folder: &Path, config: &Config) -> Vec<Problem> {
    let sources = sources(config);
    let files = files(folder).into_iter().map(|path| (topic_of(&path), path));
    let unread = files.filter(|(name, _)| !sources.iter().any(|source| source == name || may_match(source, name)));
    let problem = |(name, path): (String, PathBuf)| {
        let remedy = match nearest(&name, sources.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("expected one of: {}", sources.join(", ")),
        };
        Problem::new(Exit::Data, format!("no route reads {name:?}"), remedy).at(path.display().to_string())
    };
    unread.map(problem).collect()
}

/// Returns whether the expression may match the topic. False only if every match begins with a text that the topic does
/// not begin with.
fn may_match(expression: &str, topic: &str) -> bool {
    let Some(rest) = expression.strip_prefix('^') else { return false };
    if rest.contains('|') {
        return true;
    }
    let end = rest.find(|letter: char| "\\.[](){}*+?$^".contains(letter)).unwrap_or(rest.len());
    let mut beginning = &rest[..end];
    // The last character may be optional.
    if rest[end..].starts_with(['*', '?', '{']) {
        beginning = &beginning[..beginning.char_indices().next_back().map_or(0, |(at, _)| at)];
    }
    topic.starts_with(beginning)
}

/// Returns the input files of a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths
}

/// Returns the topic or queue of an input file.
fn topic_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Input {
    /// Returns the destinations of the messages.
    pub(super) fn destinations(&self) -> impl Iterator<Item = Destination> {
        self.0.iter().map(|publication| publication.destination.clone())
    }
}

/// Reads all input files of `folder`. A folder without input files is valid.
pub(super) fn read(folder: &Path, config: &Config) -> Result<Input, Vec<Problem>> {
    let (mut publications, mut problems) = (Vec::new(), Vec::new());
    for path in files(folder) {
        let name = topic_of(&path);
        // `unread` reports this file.
        let Some(to) = destination(&name, config) else { continue };
        for (index, message) in messages(&path).into_iter().enumerate() {
            match message {
                Ok(message) => publications.push(publication(to.clone(), index, message)),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() { Ok(Input(publications)) } else { Err(problems) }
}

/// Reads the message of a file, or of each line of a `.jsonl` file. It goes to the topic or queue `to`, else to the
/// source that the message names, else to the only source.
pub(super) fn of_file(path: &Path, to: Option<&str>, config: &Config) -> Result<Input, Vec<Problem>> {
    let sources = sources(config);
    let (mut publications, mut problems) = (Vec::new(), Vec::new());
    for (index, message) in messages(path).into_iter().enumerate() {
        let sent = message.and_then(|mut message| {
            let named = to.or(message.source.as_deref()).or(match sources.as_slice() {
                [only] => Some(only.as_str()),
                _ => None,
            });
            let to = named.filter(|name| is_read(name, config)).and_then(|name| destination(name, config));
            let to = to.ok_or_else(|| nowhere(path, named, &sources))?;
            // Otherwise a FIFO queue would drop the second message as a duplicate of the first.
            message.id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
            Ok(publication(to, index, message))
        });
        match sent {
            Ok(publication) => publications.push(publication),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(Input(publications)) } else { Err(problems) }
}

/// Returns whether a route reads the topic or queue `name`.
fn is_read(name: &str, config: &Config) -> bool {
    let sources = config.routes.iter().map(|route| &route.source);
    let matches = |source: &Source| {
        let kind = broker::ALL.into_iter().find(|kind| kind.name == source.broker);
        kind.is_some_and(|kind| source.patterns().any(|pattern| (kind.matches)(pattern, name)))
    };
    sources.into_iter().any(|source| source.named().any(|named| named == name) || matches(source))
}

/// Returns the topic or queue `name`, at the broker of the routes that read it. `None` if the name is valid for no
/// broker.
fn destination(name: &str, config: &Config) -> Option<Destination> {
    let named = broker::ALL.into_iter().rev().find(|kind| (kind.named)(&config.routes).contains(name));
    let open = || broker::ALL.into_iter().find(|kind| kind.is_open && config.has(kind.name));
    named.or_else(open).map(|kind| (kind.destination)(name))
}

fn nowhere(path: &Path, named: Option<&str>, sources: &[String]) -> Problem {
    let what = match named {
        Some(name) => format!("no route reads `{name}`"),
        None => "the message names no source, and the routes read from several".into(),
    };
    let remedy = format!("name one after the file: {}", sources.join(", "));
    Problem::new(Exit::Usage, what, remedy).at(path.display().to_string())
}

/// Returns the topics, queues and topic patterns that routes read.
fn sources(config: &Config) -> Vec<String> {
    let names = config.routes.iter().flat_map(|route| route.source.texts());
    BTreeSet::from_iter(names.map(str::to_owned)).into_iter().collect()
}

/// A message of a route once more, to its source.
pub(super) fn again(record: &Record, route: &str, config: &Config) -> Input {
    let broker = config.routes.iter().find(|other| other.name() == route).map(|route| route.source.broker);
    let source = broker.and_then(|broker| broker::topic_or_queue(broker, &record.source));
    let message = MessageFile {
        id: Some(uuid::Uuid::new_v4().to_string()),
        key: record.key.clone(),
        headers: record.headers.clone(),
        payload: record.payload.clone(),
        ..MessageFile::default()
    };
    Input(source.map(|source| publication(source, 0, message)).into_iter().collect())
}

/// Reads the messages of a file: one, or one per line if its name ends in `.jsonl`.
fn messages(path: &Path) -> Vec<Result<MessageFile, Problem>> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return vec![Err(Problem::new(Exit::Data, error.to_string(), "").at(name))],
    };
    let parse = |text: &str, line: usize| {
        let problem =
            |error: message_file::Error| Problem::new(Exit::Data, error.to_string(), "").at(error.place(&name, line));
        MessageFile::parse(text).map_err(problem)
    };
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        return vec![parse(&text, 1)];
    }
    let lines = message_file::without_mark(&text).lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| parse(line, index + 1)).collect()
}

fn publication(destination: Destination, index: usize, message: MessageFile) -> Publication {
    let fifo = destination.is_fifo();
    let key = message.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned());
    Publication {
        destination,
        group: fifo.then(|| key.unwrap_or_else(|| "input".into()).into()),
        deduplication: fifo.then(|| message.id.unwrap_or_else(|| format!("input-{index}")).into()),
        key: message.key,
        headers: message.headers,
        payload: message.payload,
        timestamp_ms: message.timestamp_ms,
    }
}

/// Sends the input and waits until the brokers have confirmed it.
pub(super) async fn feed(input: Input, sinks: &Sinks) -> Result<(), Problem> {
    let (tickets, mut answers) = mpsc::channel(UNDER_WAY);
    let mut under_way = 0;
    for publication in &input.0 {
        let mut ticket = Ticket::new(tickets.clone(), DeliveryId::default(), 0);
        while let Err((turned_back, Busy)) = sinks.publish(publication, ticket) {
            ticket = turned_back;
            tokio::time::sleep(SINK_BUSY).await;
        }
        under_way += 1;
        while under_way == UNDER_WAY {
            under_way -= answered(&mut answers).await?;
        }
    }
    while under_way > 0 {
        under_way -= answered(&mut answers).await?;
    }
    Ok(())
}

/// Waits for the next answers and returns how many messages they confirm.
async fn answered(answers: &mut mpsc::Receiver<Answers>) -> Result<usize, Problem> {
    let answers = answers.recv().await.unwrap_or_default();
    for event in &answers {
        if let Event::NotDurable { refusal, .. } = event {
            return Err(Problem::new(Exit::Unavailable, format!("failed to send the input: {refusal:?}"), ""));
        }
    }
    Ok(answers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_match_an_expression_unless_it_begins_otherwise() {
        for (expression, topic) in
            [("^d[.]in$", "d.in"), ("^orders", "orders.eu"), ("^orders?$", "order"), ("^a|b", "b"), ("^.*$", "x")]
        {
            assert!(may_match(expression, topic), "{expression} {topic}");
        }
        for (expression, topic) in [("^orders", "order"), ("^orders[.]eu$", "oders.eu"), ("orders", "orders.eu")] {
            assert!(!may_match(expression, topic), "{expression} {topic}");
        }
    }
}
