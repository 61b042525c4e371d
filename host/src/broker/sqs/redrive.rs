//! Converts the redrive policy of a queue for routes.

use cofferdam_core::route::Route;

use super::queue::Queue;
use crate::broker::findings::Limits;
use crate::plan::Redrive;

/// Returns the redrive policy of a queue, if any.
pub(super) fn of(queue: &Queue) -> Option<Redrive> {
    let max_receives = queue.max_receives;
    queue.redrive.clone().map(|to| Redrive { to: super::queue(to), max_receives })
}

/// Returns the limits of a route and of the queue that it reads; `None` if the queue has no redrive policy.
pub(super) fn limits(route: &Route, queue: &Queue) -> Option<Limits> {
    Some(Limits {
        route: route.name.clone(),
        queue: (*queue.name).into(),
        redrive: queue.redrive.as_deref()?.into(),
        max_receives: queue.max_receives?,
        max_attempts: route.policy.retry.max_attempts,
    })
}
