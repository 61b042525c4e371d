//! The sender of one queue: which messages go into which call.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use cofferdam_core::event::Refusal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::broker::sqs::batch::MOST;
use crate::broker::sqs::queue::Queue;
use crate::sink::Ticket;

use super::call::send;
use super::entry::Entry;
use super::unanswered::Counted;

/// Most calls under way.
const CALLS: usize = 8;

/// Messages among which one whose group is free is looked for.
const WINDOW: usize = 256;

/// How long a batch waits to become full while other calls are under way.
const LINGER: Duration = Duration::from_millis(3);

/// What every server takes for a batch in all, bytes; a queue whose messages may be larger takes as much as one.
const BATCH_BYTES: usize = 256 * 1024;

/// A message to send.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: Entry,
    pub(super) ticket: Ticket,
    /// When it is refused as unavailable, if ever.
    pub(super) until: Option<Instant>,
    /// Dropped behind the ticket, so that nothing counts as answered before it is.
    pub(super) _counted: Counted,
}

impl Job {
    /// Whether its time to be sent is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// Sends the messages of one queue.
pub(super) struct Sender {
    client: Client,
    queue: Arc<Queue>,
    jobs: mpsc::Receiver<Job>,
    /// In the order in which they came.
    window: VecDeque<Job>,
    /// FIFO: groups with a message in `batch` or in a call; nothing else of them may leave.
    groups: HashSet<String>,
    batch: Batch,
    /// Each ends with the groups of its messages.
    calls: JoinSet<Vec<String>>,
}

/// The call that is being put together.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    bytes: usize,
    /// The next message would be too much.
    full: bool,
    /// When the first message came.
    since: Option<Instant>,
}

impl Sender {
    pub(super) fn new(client: Client, queue: Arc<Queue>, jobs: mpsc::Receiver<Job>) -> Self {
        let (window, groups) = (VecDeque::new(), HashSet::new());
        Self { client, queue, jobs, window, groups, batch: Batch::default(), calls: JoinSet::new() }
    }

    /// Sends until no more can come and the last ticket is settled.
    pub(super) async fn run(mut self) {
        let mut open = true;
        let mut received = Vec::new();
        loop {
            self.fill();
            let now = Instant::now();
            let due = self.batch.since.map(|since| since + LINGER);
            let ready = self.batch.full || self.calls.is_empty() || !open || due.is_some_and(|due| due <= now);
            let room = self.calls.len() < CALLS;
            if ready && room && !self.batch.jobs.is_empty() {
                self.start();
                continue;
            }
            if !open && self.calls.is_empty() && self.window.is_empty() {
                return;
            }
            let space = WINDOW - self.window.len();
            tokio::select! {
                biased;
                Some(ended) = self.calls.join_next() => {
                    for group in ended.unwrap_or_default() {
                        self.groups.remove(&group);
                    }
                }
                count = self.jobs.recv_many(&mut received, space), if open && space > 0 => {
                    open = count > 0;
                    self.window.extend(received.drain(..));
                }
                () = sleep_until(due.unwrap_or(now)), if due.is_some() && room => {}
            }
        }
    }

    /// Moves messages from the window into the batch: in their order, none whose group is under way.
    fn fill(&mut self) {
        if self.batch.full {
            return;
        }
        let most = self.queue.largest_message.max(BATCH_BYTES);
        let now = Instant::now();
        let mut left = VecDeque::with_capacity(self.window.len());
        for job in self.window.drain(..) {
            if job.is_over(now) {
                job.ticket.settle(Err(Refusal::Unavailable("not sent within the time limit: SQS is slow".into())));
                continue;
            }
            let group = job.entry.request.message_group_id.as_ref().filter(|_| self.queue.fifo);
            if self.batch.full || group.is_some_and(|group| self.groups.contains(group)) {
                left.push_back(job);
                continue;
            }
            // What does not fit closes the batch: nothing smaller may slip past it, it might be of the same group.
            self.batch.full = !self.batch.jobs.is_empty() && self.batch.bytes + job.entry.size > most;
            if self.batch.full {
                left.push_back(job);
                continue;
            }
            self.groups.extend(group.cloned());
            self.batch.bytes += job.entry.size;
            self.batch.since.get_or_insert(now);
            self.batch.jobs.push(job);
            self.batch.full = self.batch.jobs.len() == MOST;
        }
        self.window = left;
    }

    fn start(&mut self) {
        let jobs = std::mem::take(&mut self.batch).jobs;
        let (client, queue) = (self.client.clone(), self.queue.clone());
        self.calls.spawn(async move {
            let groups = jobs.iter().filter_map(|job| job.entry.request.message_group_id.clone()).collect();
            send(&client, &queue, jobs).await;
            groups
        });
    }
}
