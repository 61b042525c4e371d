//! The input of a folder: `input/TOPIC.jsonl` or `input/QUEUE.jsonl`, one message a line.

use std::path::Path;
use std::time::Duration;

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::output::{Destination, Publication};
use tokio::sync::mpsc;

use crate::config::{Config, Kind};
use crate::exit::{Exit, Problem};
use crate::message_file::MessageFile;
use crate::sink::{Answers, Busy, Sinks, Ticket};

/// Messages under way at once while input is fed in.
const UNDER_WAY: usize = 1_000;

/// How long a full sink is left alone.
const SINK_BUSY: Duration = Duration::from_millis(5);

/// What is to be fed in, in order.
pub(super) struct Input(Vec<Publication>);

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
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Input(Vec::new())) };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let queues = config.sqs_queues();
    let (mut publications, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let problem =
            |line: usize, what: String| Problem::new(Exit::Data, what, "").at(format!("{}:{line}", path.display()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                problems.push(problem(0, error.to_string()));
                continue;
            }
        };
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match MessageFile::parse(line) {
                Ok(message) => publications.push(publication(&name, index, message, queues.contains(&name))),
                Err(error) => problems.push(problem(index + 1, error.to_string())),
            }
        }
    }
    if problems.is_empty() { Ok(Input(publications)) } else { Err(problems) }
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
            return Err(Problem::new(Exit::Unavailable, format!("the input could not be fed in: {refusal:?}"), ""));
        }
    }
    Ok(answers.len())
}
