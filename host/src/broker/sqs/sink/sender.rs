//! The sender of one queue, which combines messages into calls.

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

use super::call::send;
use super::job::Job;

/// The largest number of unanswered calls.
const CALLS: usize = 8;

/// Number of waiting messages that are searched for one whose group is not being sent.
const WINDOW: usize = 256;

/// How long an incomplete batch waits for more messages while other calls are unanswered.
const LINGER: Duration = Duration::from_millis(3);

/// Size limit of a batch that every server accepts, in bytes. A queue that accepts larger messages accepts a batch as
/// large as its largest message.
const BATCH_BYTES: usize = 256 * 1024;

/// Sends the messages of one queue.
pub(super) struct Sender {
    client: Client,
    queue: Arc<Queue>,
    jobs: mpsc::Receiver<Job>,
    /// Waiting messages, in the order of arrival.
    window: VecDeque<Job>,
    /// On a FIFO queue: groups with a message in `batch` or in an unanswered call. No other message of these groups may
    /// be sent.
    groups: HashSet<String>,
    batch: Batch,
    /// The unanswered calls; each returns the groups of its messages.
    calls: JoinSet<Vec<String>>,
}

/// The batch that is being filled.
#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    bytes: usize,
    /// Whether the next message does not fit.
    full: bool,
    /// The time of arrival of the first message.
    since: Option<Instant>,
}

impl Sender {
    pub(super) fn new(client: Client, queue: Arc<Queue>, jobs: mpsc::Receiver<Job>) -> Self {
        let (window, groups) = (VecDeque::new(), HashSet::new());
        Self { client, queue, jobs, window, groups, batch: Batch::default(), calls: JoinSet::new() }
    }

    /// Sends messages until the channel is closed and the last ticket is settled.
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

    /// Moves messages from the window into the batch in order; skips messages whose group is being sent.
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
            // A message that does not fit closes the batch. A smaller one must not overtake it, because it may be of
            // the same group.
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
