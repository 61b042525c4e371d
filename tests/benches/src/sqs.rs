//! A queue that is emptied: what receiving, handling and deleting a message costs.

use std::time::{Duration, Instant};

use anyhow::ensure;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use cofferdam::broker::sqs::source::Config;
use cofferdam::clock::Clock;
use futures::{StreamExt, TryStreamExt, stream};
use kit::{Host, Queue, QueueSpec, Sqs, eventually, guest, run};

use crate::course::{CPU, Figures};
use crate::report::{Bound, Report};
use crate::{Effort, load, process};

/// Message groups of the FIFO queue.
const GROUPS: u32 = 100;
/// Bytes of a message.
const BODY: usize = 256;
/// Messages of a send.
const BATCH: usize = 10;
/// Sends at a time.
const SENDS: usize = 8;

const LONG: Duration = Duration::from_secs(600);
/// Longer than the polls that a stop waits for.
const STOP: Duration = Duration::from_secs(60);
/// Time between two looks at the queue; a look costs the server as much as a receive.
const LOOK: Duration = Duration::from_millis(100);

/// What is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Standard,
    Fifo,
}

/// Who empties it.
#[derive(Debug, Clone, Copy)]
enum Contestant {
    Cofferdam,
    /// Nobody handles what it receives.
    Loop,
    /// The same without the attributes that a handler is told.
    BodiesAlone,
    /// The same as `Loop` with a call in it.
    Call,
}

const KINDS: [(&str, Kind); 2] = [("standard", Kind::Standard), ("FIFO", Kind::Fifo)];

const CONTESTANTS: [(&str, Contestant); 4] = [
    ("bare loop", Contestant::Loop),
    ("Cofferdam", Contestant::Cofferdam),
    ("bare loop, wasmtime call", Contestant::Call),
    ("bare loop, bodies alone", Contestant::BodiesAlone),
];

/// A queue of one turn, and where Cofferdam's dead letters would go.
struct Field<'a> {
    sqs: &'a Sqs,
    queue: Queue,
    dead: Queue,
    /// Receives at a time.
    pollers: u32,
}

/// Measures all contestants on both kinds of queues.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let sqs = kit::sqs().map_err(|need| anyhow::anyhow!("{need}"))?;
    let messages = effort.of(20_000);
    let pollers = Config::new(sqs.client().clone(), "", Clock::set()).pollers;
    let work = format!(
        "{messages} messages of {BODY} bytes without message attributes, all of them there at the start, FIFO in {GROUPS} \
         groups; each is received, handled without an output, and deleted. ElasticMQ on the same machine is what limits \
         the rate, so processor time is what counts. Everybody receives 10 at a time, {pollers} receives at once (what \
         Cofferdam does by itself; all its settings are the defaults), waits 5 s for the first, has a lease of 60 s, and \
         deletes up to 10 in one call. The bare loop asks for the same attributes as Cofferdam (group, time, count of \
         receives, trace, all message attributes), as a handler is told them; with bodies alone it asks for none. From a \
         tenth of the messages to the last one."
    );
    let mut report = Report::new("sqs", work);
    for _ in 0..effort.rounds {
        for (suffix, kind) in KINDS {
            for (name, contestant) in CONTESTANTS {
                let field = Field::new(&sqs, kind, messages, pollers).await?;
                let figures = field.measure(contestant, messages).await?;
                field.clear().await?;
                figures.report(&mut report, &format!("{name}, {suffix}"));
            }
        }
    }
    for (suffix, _) in KINDS {
        let beside = format!("bare loop, {suffix}");
        report.goal(CPU, &format!("Cofferdam, {suffix}"), Some(&beside), Bound::AtMost(1.15));
    }
    Ok(report)
}

impl<'a> Field<'a> {
    async fn new(sqs: &'a Sqs, kind: Kind, messages: u32, pollers: u32) -> anyhow::Result<Self> {
        let spec = |stem| match kind {
            Kind::Standard => QueueSpec::standard(stem),
            Kind::Fifo => QueueSpec::fifo(stem),
        };
        let (queue, dead) = (sqs.create(spec("bench-in")).await, sqs.create(spec("bench-dead")).await);
        let numbers: Vec<u32> = (0..messages).collect();
        let batches = stream::iter(numbers.chunks(BATCH)).map(|batch| send(sqs, &queue, kind, batch));
        batches.buffer_unordered(SENDS).try_collect::<()>().await?;
        // What was sent last is delayed for a moment, to the server's mind.
        eventually("all that was sent can be received", LONG, async || {
            let counts = sqs.counts(&queue).await;
            (counts.visible == messages as usize).then_some(())
        })
        .await;
        Ok(Self { sqs, queue, dead, pollers })
    }

    /// Lets it empty the queue, and measures from a tenth of the messages on.
    async fn measure(&self, contestant: Contestant, messages: u32) -> anyhow::Result<Figures> {
        let mut host = self.start(contestant)?;
        let (first, since) = self.left((messages - messages / 10) as usize).await;
        let before = process::usage(host.id())?;
        let (last, until) = self.left(0).await;
        let figures = Figures::new((first - last) as i64, until - since, [before, process::usage(host.id())?]);
        // That the queue is empty says that all was deleted; the account says that all was handled before.
        if let Contestant::Cofferdam = contestant {
            let account = host.stop(STOP).await.account();
            ensure!(account["done"] == messages, "not all {messages} were handled once: {account}");
        }
        let dead = self.sqs.counts(&self.dead).await;
        ensure!(dead.visible == 0, "{contestant:?}: dead letters, {dead:?}");
        host.kill();
        Ok(figures)
    }

    fn start(&self, contestant: Contestant) -> anyhow::Result<Host> {
        let (endpoint, url, pollers) = (self.sqs.endpoint(), self.queue.url.as_str(), self.pollers.to_string());
        let component = format!("--component={}", guest("discard").display());
        let mut arguments = vec!["bare", "sqs", "--endpoint", endpoint, "--queue-url", url, "--pollers", &pollers];
        match contestant {
            Contestant::Cofferdam => return Ok(self.cofferdam()),
            Contestant::Loop => {}
            Contestant::BodiesAlone => arguments.push("--bodies-alone"),
            Contestant::Call => arguments.push(&component),
        }
        Ok(kit::host::program(&std::env::current_exe()?, arguments).start())
    }

    fn cofferdam(&self) -> Host {
        let (endpoint, queue, dead, path) = (self.sqs.endpoint(), &self.queue.name, &self.dead.name, guest("discard"));
        let (region, path) = (kit::sqs::REGION, path.display());
        run(&format!(
            r#"
            service = {{ name = "bench" }}
            sqs = {{ region = "{region}", endpoint = "{endpoint}" }}
            admin = {{ listen = "" }}
            [plugins.discard]
            path = "{path}"
            [[routes]]
            name = "discard"
            from = {{ sqs = "{queue}" }}
            handler = "discard"
            envelope = "raw"
            dead_letter = {{ sqs = "{dead}" }}
            "#
        ))
        .start()
    }

    /// Waits until no more than that are in the queue, received ones among them; how many, and when.
    async fn left(&self, most: usize) -> (usize, Instant) {
        eventually("the queue is emptied", LONG, async || {
            let counts = self.sqs.counts(&self.queue).await;
            let left = counts.visible + counts.in_flight + counts.delayed;
            if left > most {
                tokio::time::sleep(LOOK).await;
                return None;
            }
            Some((left, Instant::now()))
        })
        .await
    }

    async fn clear(self) -> anyhow::Result<()> {
        for queue in [self.queue, self.dead] {
            self.sqs.client().delete_queue().queue_url(queue.url).send().await?;
        }
        Ok(())
    }
}

async fn send(sqs: &Sqs, queue: &Queue, kind: Kind, numbers: &[u32]) -> anyhow::Result<()> {
    let entries = numbers.iter().map(|number| {
        let id = number.to_string();
        let entry = SendMessageBatchRequestEntry::builder().id(&id).message_body(load::payload(*number, BODY));
        match kind {
            Kind::Standard => entry.build(),
            Kind::Fifo => {
                let group = format!("group-{:02}", number % GROUPS);
                entry.message_group_id(group).message_deduplication_id(id).build()
            }
        }
    });
    let entries = entries.collect::<Result<_, _>>()?;
    let sent = sqs.client().send_message_batch().queue_url(&queue.url).set_entries(Some(entries)).send().await?;
    ensure!(sent.failed.is_empty(), "messages were not taken: {:?}", sent.failed);
    Ok(())
}
