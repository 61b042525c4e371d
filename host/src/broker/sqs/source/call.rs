//! The batch calls on receipts: one request for up to ten, an answer for each.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};
use tokio::time::timeout;

use crate::broker::sqs::batch::answers;
use crate::broker::sqs::fault::Fault;

use super::desk::Desk;

/// How long a server may take for a batch.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// What is to happen to a receipt.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// Delete its message.
    Delete(Arc<str>),
    /// Let its message be hidden for so many seconds from now.
    Hide(Arc<str>, i32),
}

/// Does what is wished; wishes of one call are all of one kind. The answers come in the same order.
pub(super) async fn call(desk: &Desk, wishes: &[Wish]) -> Vec<Result<(), Fault>> {
    match once(desk, wishes).await {
        Ok(answers) => answers,
        // Some servers refuse a whole batch for one bad entry: the others must not suffer for it.
        Err(Fault::Gone(_) | Fault::Invalid(_) | Fault::TooLarge(_)) if wishes.len() > 1 => {
            let mut answers = Vec::with_capacity(wishes.len());
            for wish in wishes {
                let answer = once(desk, std::slice::from_ref(wish)).await;
                answers.push(answer.and_then(|mut answers| answers.pop().unwrap_or(Err(Fault::unmentioned()))));
            }
            answers
        }
        Err(fault) => vec![Err(fault); wishes.len()],
    }
}

async fn once(desk: &Desk, wishes: &[Wish]) -> Result<Vec<Result<(), Fault>>, Fault> {
    let (mut deletes, mut hides) = (Vec::new(), Vec::new());
    for (place, wish) in wishes.iter().enumerate() {
        match wish {
            Wish::Delete(receipt) => deletes.push(delete_entry(place, receipt).map_err(unbuilt)?),
            Wish::Hide(receipt, seconds) => hides.push(hide_entry(place, receipt, *seconds).map_err(unbuilt)?),
        }
    }
    debug_assert!(deletes.is_empty() || hides.is_empty(), "wishes of two kinds in one call");
    let url = &*desk.queue.url;
    if hides.is_empty() {
        let request = desk.client.delete_message_batch().queue_url(url).set_entries(Some(deletes));
        let answer = timeout(CALL_LIMIT, request.send()).await.map_err(|_| Fault::late(CALL_LIMIT))?;
        let answer = answer.map_err(|error| of_receipts(Fault::of_call(&error)))?;
        Ok(answers(wishes.len(), answer.successful().iter().map(|entry| entry.id()), answer.failed()))
    } else {
        let request = desk.client.change_message_visibility_batch().queue_url(url).set_entries(Some(hides));
        let answer = timeout(CALL_LIMIT, request.send()).await.map_err(|_| Fault::late(CALL_LIMIT))?;
        let answer = answer.map_err(|error| of_receipts(Fault::of_call(&error)))?;
        Ok(answers(wishes.len(), answer.successful().iter().map(|entry| entry.id()), answer.failed()))
    }
}

fn delete_entry(place: usize, receipt: &str) -> Result<DeleteMessageBatchRequestEntry, BuildError> {
    DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(receipt).build()
}

fn hide_entry(
    place: usize,
    receipt: &str,
    seconds: i32,
) -> Result<ChangeMessageVisibilityBatchRequestEntry, BuildError> {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(place.to_string())
        .receipt_handle(receipt)
        .visibility_timeout(seconds)
        .build()
}

/// A queue that is not there has no leases. One that is created again under the same name has none of the old ones.
fn of_receipts(fault: Fault) -> Fault {
    if fault.is_missing_queue() { Fault::Gone(fault.to_string().into()) } else { fault }
}

fn unbuilt(error: BuildError) -> Fault {
    Fault::Invalid(error.to_string().into())
}
