//! Continues attempts that do not end at the first poll.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::admin::RouteHealth;
use crate::clock::thread_time;
use crate::flow::pace::LONG;

/// Runs the work on the quick threads and moves it to the slow ones after a poll that used at least [`LONG`]. CPU time
/// decides, not wall time: a quick attempt whose thread waited for a CPU must not queue behind long ones.
pub(super) async fn quick_or_slow(
    mut work: BoxFuture<'static, ()>,
    slow: Handle,
    tasks: TaskTracker,
    health: Arc<RouteHealth>,
) {
    let is_slow = std::future::poll_fn(|context| {
        let _poll = health.poll();
        let started = thread_time();
        match work.poll_unpin(context) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending if thread_time().saturating_sub(started) >= LONG => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    });
    if is_slow.await {
        tasks.spawn_on(slow_only(work, health), &slow);
    }
}

/// Runs the work to its end on the current runtime.
pub(super) async fn slow_only(mut work: BoxFuture<'static, ()>, health: Arc<RouteHealth>) {
    std::future::poll_fn(|context| {
        let _poll = health.poll();
        work.poll_unpin(context)
    })
    .await;
}

/// Polls a future once and returns the result.
pub(super) async fn first_poll<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
