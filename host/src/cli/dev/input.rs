//! The input of a folder: `input/TOPIC.jsonl` or `input/QUEUE.jsonl`, one message a line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::message::Record;
use cofferdam_core::output::{Destination, Publication};
use tokio::sync::mpsc;

use crate::config::{Config, Kind, Source, nearest};
use crate::exit::{Exit, Problem};
use crate::kafka::expression::Expression;
use crate::message_file::{self, MessageFile};
use crate::sink::{Answers, Busy, Sinks, Ticket};

/// Messages under way at once while input is fed in.
const UNDER_WAY: usize = 1_000;

/// How long a full sink is left alone.
const SINK_BUSY: Duration = Duration::from_millis(5);

/// What is to be fed in, in order.
pub(super) struct Input(Vec<Publication>);

/// Input files that no route reads, each with the name that was probably meant.
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

/// Whether the topic may match the expression: false only where what all that matches begins with is another beginning.
fn may_match(expression: &str, topic: &str) -> bool {
    let Some(rest) = expression.strip_prefix('^') else { return false };
    if rest.contains('|') {
        return true;
    }
    let end = rest.find(|letter: char| "\\.[](){}*+?$^".contains(letter)).unwrap_or(rest.len());
    let mut beginning = &rest[..end];
    // The letter before may be left out.
    if rest[end..].starts_with(['*', '?', '{']) {
        beginning = &beginning[..beginning.char_indices().next_back().map_or(0, |(at, _)| at)];
    }
    topic.starts_with(beginning)
}

/// The input files of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths
}

/// The topic or queue that an input file is for.
fn topic_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Input {
    /// The topics that it goes to.
    pub(super) fn topics(&self) -> impl Iterator<Item = (String, Kind)> {
        self.0.iter().filter_map(|publication| match &publication.destination {
            Destination::Kafka(topic) => Some((topic.to_string(), Kind::Standard)),
            Destination::Sqs(_) => None,
        })
    }
}

/// Reads all input files of `folder`; none is fine.
pub(super) fn read(folder: &Path, config: &Config) -> Result<Input, Vec<Problem>> {
    let queues = config.sqs_queues();
    let (mut publications, mut problems) = (Vec::new(), Vec::new());
    for path in files(folder) {
        let name = topic_of(&path);
        if config.kafka.is_none() && !queues.contains(&name) {
            // It goes nowhere, which `unread` says.
            continue;
        }
        for (index, message) in messages(&path).into_iter().enumerate() {
            match message {
                Ok(message) => publications.push(publication(&name, index, message, queues.contains(&name))),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() { Ok(Input(publications)) } else { Err(problems) }
}

/// The message of a file, or of each line of a `.jsonl` file, to go to the topic or queue `to`; else to the one that it
/// names as its source, else to the only one that there is.
pub(super) fn of_file(path: &Path, to: Option<&str>, config: &Config) -> Result<Input, Vec<Problem>> {
    let (queues, sources) = (config.sqs_queues(), sources(config));
    let (mut publications, mut problems) = (Vec::new(), Vec::new());
    for (index, message) in messages(path).into_iter().enumerate() {
        let sent = message.and_then(|mut message| {
            let named = to.or(message.source.as_deref()).or(match sources.as_slice() {
                [only] => Some(only.as_str()),
                _ => None,
            });
            let known = named.filter(|name| sources.iter().any(|source| source == name || is_matched(source, name)));
            let name = known.ok_or_else(|| nowhere(path, named, &sources))?.to_owned();
            // Else a FIFO queue takes the second for the first.
            message.id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
            Ok(publication(&name, index, message, queues.contains(&name)))
        });
        match sent {
            Ok(publication) => publications.push(publication),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(Input(publications)) } else { Err(problems) }
}

fn is_matched(source: &str, name: &str) -> bool {
    source.starts_with('^') && Expression::new(source).is_ok_and(|expression| expression.matches(name))
}

fn nowhere(path: &Path, named: Option<&str>, sources: &[String]) -> Problem {
    let what = match named {
        Some(name) => format!("no route reads `{name}`"),
        None => "the message names no source, and the routes read from several".into(),
    };
    let remedy = format!("name one after the file: {}", sources.join(", "));
    Problem::new(Exit::Usage, what, remedy).at(path.display().to_string())
}

/// Topics and queues that routes read, and patterns of topics.
fn sources(config: &Config) -> Vec<String> {
    let names = config.routes.iter().flat_map(|route| match &route.source {
        Source::Kafka { topics, .. } => topics.clone(),
        Source::Sqs { queue, .. } => vec![queue.clone()],
    });
    BTreeSet::from_iter(names).into_iter().collect()
}

/// A message once more, to where it came from.
pub(super) fn again(record: &Record, config: &Config) -> Input {
    let message = MessageFile {
        id: Some(uuid::Uuid::new_v4().to_string()),
        key: record.key.clone(),
        headers: record.headers.clone(),
        payload: record.payload.clone(),
        ..MessageFile::default()
    };
    let queue = config.sqs_queues().iter().any(|queue| **queue == *record.source);
    Input(vec![publication(&record.source, 0, message, queue)])
}

/// The messages of a file: one, or one a line where its name ends in `.jsonl`.
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

fn publication(name: &str, index: usize, message: MessageFile, queue: bool) -> Publication {
    let fifo = queue && name.ends_with(".fifo");
    let key = message.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned());
    Publication {
        destination: if queue { Destination::Sqs(name.into()) } else { Destination::Kafka(name.into()) },
        group: fifo.then(|| key.unwrap_or_else(|| "input".into()).into()),
        deduplication: fifo.then(|| message.id.unwrap_or_else(|| format!("input-{index}")).into()),
        key: message.key,
        headers: message.headers,
        payload: message.payload,
        timestamp_ms: message.timestamp_ms,
    }
}

/// Feeds it in and waits until the brokers have it all.
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

/// Waits for the next answers; returns how many messages the broker has by them.
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
