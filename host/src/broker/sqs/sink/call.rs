//! Sends a batch, and repeats the call until each message is settled.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryConfig;
use cofferdam_core::event::Refusal;
use cofferdam_core::outcome::Code;
use tokio::time::{Instant, sleep, timeout};

use crate::broker::sqs::backoff::Backoff;
use crate::broker::sqs::batch::answers;
use crate::broker::sqs::fault::Fault;
use crate::broker::sqs::queue::Queue;

use super::job::Job;

/// Time limit of one call.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Sends these messages and settles every ticket. On a FIFO queue the messages are of different groups. Messages that
/// failed transiently are retried together until their time limit. A message that must be sent at most once is retried
/// only if it certainly did not arrive.
pub(super) async fn send(client: &Client, queue: &Queue, mut jobs: Vec<Job>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let answers = call(client, queue, &jobs).await;
        let now = Instant::now();
        let (mut again, mut sent) = (Vec::new(), 0);
        for (job, answer) in jobs.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    sent += 1;
                    job.ticket.settle(Ok(()));
                }
                Err(Fault::TooLarge(text)) => job.ticket.settle(Err(Refusal::Rejected(Code::OUTPUT_TOO_LARGE, text))),
                Err(Fault::Invalid(text)) => job.ticket.settle(Err(Refusal::Rejected(Code::INVALID_RESULT, text))),
                // A repeat might store the message twice.
                Err(Fault::Unclear(text)) if job.ticket.is_sent_once() => {
                    tracing::warn!(queue = %queue.name, reason = %text, "a send has an unknown result and is not repeated, to avoid a duplicate");
                    job.ticket.settle(Err(Refusal::Unavailable(text)));
                }
                Err(Fault::Passing(text) | Fault::Unclear(text) | Fault::Gone(text)) if job.is_over(now) => {
                    tracing::warn!(queue = %queue.name, reason = %text, "failed to send a message within the time limit");
                    job.ticket.settle(Err(Refusal::Unavailable(text)));
                }
                Err(Fault::Passing(_) | Fault::Unclear(_) | Fault::Gone(_)) => again.push(job),
            }
        }
        if sent > 0 {
            metrics::counter!("cofferdam_messages_sent_total", "queue" => queue.name.to_string()).increment(sent);
        }
        if again.is_empty() {
            return;
        }
        jobs = again;
        let wait = backoff.wait();
        tracing::debug!(queue = %queue.name, messages = jobs.len(), ?wait, "sending messages again");
        sleep(wait).await;
    }
}

async fn call(client: &Client, queue: &Queue, jobs: &[Job]) -> Vec<Result<(), Fault>> {
    match once(client, queue, jobs).await {
        Ok(answers) => answers,
        // The whole batch was refused, for its size or for one entry. Sending each message alone shows which one is the
        // cause.
        Err(Fault::TooLarge(_) | Fault::Invalid(_)) if jobs.len() > 1 => {
            let mut answers = Vec::with_capacity(jobs.len());
            for job in jobs {
                let answer = once(client, queue, std::slice::from_ref(job)).await;
                answers.push(answer.and_then(|mut answers| answers.pop().unwrap_or(Err(Fault::unmentioned()))));
            }
            answers
        }
        Err(fault) => vec![Err(fault); jobs.len()],
    }
}

async fn once(client: &Client, queue: &Queue, jobs: &[Job]) -> Result<Vec<Result<(), Fault>>, Fault> {
    let entry = |(place, job): (usize, &Job)| {
        let mut entry = job.entry.request.clone();
        entry.id = place.to_string();
        entry
    };
    let entries: Vec<_> = jobs.iter().enumerate().map(entry).collect();
    let request = client.send_message_batch().queue_url(&*queue.url).set_entries(Some(entries)).customize();
    let request = match jobs.iter().any(|job| job.ticket.is_sent_once()) {
        // Retries of the SDK do not tell which response was lost. `send` retries the other messages of the batch.
        true => request.config_override(Builder::new().retry_config(RetryConfig::disabled())),
        false => request,
    };
    let answer = timeout(CALL_LIMIT, request.send())
        .await
        .map_err(|_| Fault::late(CALL_LIMIT))?
        .map_err(|error| Fault::of_call(&error))?;
    Ok(answers(jobs.len(), answer.successful().iter().map(|entry| entry.id()), answer.failed()))
}
