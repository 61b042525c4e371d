//! Recognises messages whose events were handled before.

use std::collections::VecDeque;

use cofferdam_core::event::Event;

use super::attempt::refused;
use super::{Batch, Job};
use crate::flow::duplicates::Duplicates;

/// Removes messages whose event was handled before, and adds their results to `batch`. If the store does not answer, every
/// message with an event id ends with `STORE_UNAVAILABLE`, so the machine holds it.
pub(super) async fn look_up(duplicates: &Duplicates, jobs: VecDeque<Job>, batch: &mut Batch) -> VecDeque<Job> {
    let ids: Vec<Box<str>> = jobs.iter().filter_map(|job| job.event.clone()).collect();
    let seen = duplicates.seen(ids).await;
    let mut answers = seen.as_deref().unwrap_or_default().iter();
    let mut left = VecDeque::with_capacity(jobs.len());
    for job in jobs {
        match (&job.event, &seen) {
            (None, _) => left.push_back(job),
            (Some(_), Ok(_)) if answers.next() == Some(&true) => batch.push(Event::Known(job.id)),
            (Some(_), Ok(_)) => left.push_back(job),
            (Some(_), Err(failure)) => {
                batch.push(Event::Ended(job.id, refused(failure.clone())));
            }
        }
    }
    left
}
