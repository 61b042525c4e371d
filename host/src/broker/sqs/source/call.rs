//! The batch calls on receipt handles: up to ten in one request, with a result for each.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};
use tokio::time::timeout;

use crate::broker::sqs::batch::answers;
use crate::broker::sqs::fault::Fault;

use super::shared::Shared;

/// Time limit of one call.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The change to make for a receipt handle.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Delete the message.
    Delete(Arc<str>),
    /// Hide the message for this number of seconds from now.
    Hide(Arc<str>, i32),
}

/// Makes these changes, which are all of one kind. The results have the same order.
pub(super) async fn call(shared: &Shared, changes: &[Change]) -> Vec<Result<(), Fault>> {
    match once(shared, changes).await {
        Ok(answers) => answers,
        // Some servers refuse a whole batch because of one invalid entry. Retry each entry alone, so that the others
        // succeed.
        Err(Fault::Gone(_) | Fault::Invalid(_) | Fault::TooLarge(_)) if changes.len() > 1 => {
            let mut answers = Vec::with_capacity(changes.len());
            for change in changes {
                let answer = once(shared, std::slice::from_ref(change)).await;
                answers.push(answer.and_then(|mut answers| answers.pop().unwrap_or(Err(Fault::unmentioned()))));
            }
            answers
        }
        Err(fault) => vec![Err(fault); changes.len()],
    }
}

async fn once(shared: &Shared, changes: &[Change]) -> Result<Vec<Result<(), Fault>>, Fault> {
    let (mut deletes, mut hides) = (Vec::new(), Vec::new());
    for (place, change) in changes.iter().enumerate() {
        match change {
            Change::Delete(receipt) => deletes.push(delete_entry(place, receipt).map_err(unbuilt)?),
            Change::Hide(receipt, seconds) => hides.push(hide_entry(place, receipt, *seconds).map_err(unbuilt)?),
        }
    }
    debug_assert!(deletes.is_empty() || hides.is_empty(), "changes of two kinds in one call");
    let url = &*shared.queue.url;
    if hides.is_empty() {
        let request = shared.client.delete_message_batch().queue_url(url).set_entries(Some(deletes));
        let answer = timeout(CALL_LIMIT, request.send()).await.map_err(|_| Fault::late(CALL_LIMIT))?;
        let answer = answer.map_err(|error| of_receipts(Fault::of_call(&error)))?;
        Ok(answers(changes.len(), answer.successful().iter().map(|entry| entry.id()), answer.failed()))
    } else {
        let request = shared.client.change_message_visibility_batch().queue_url(url).set_entries(Some(hides));
        let answer = timeout(CALL_LIMIT, request.send()).await.map_err(|_| Fault::late(CALL_LIMIT))?;
        let answer = answer.map_err(|error| of_receipts(Fault::of_call(&error)))?;
        Ok(answers(changes.len(), answer.successful().iter().map(|entry| entry.id()), answer.failed()))
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

/// Treats a missing queue as a lost lease: a deleted queue has no leases, and a new queue with the same name has none
/// of the old ones.
fn of_receipts(fault: Fault) -> Fault {
    if fault.is_missing_queue() { Fault::Gone(fault.to_string().into()) } else { fault }
}

fn unbuilt(error: BuildError) -> Fault {
    Fault::Invalid(error.to_string().into())
}
