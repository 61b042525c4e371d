//! Where attempts go on that do not end at once.

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

/// Does the work here as long as it keeps the thread for short, and hands it over once it does not. Its processor time decides:
/// a quick one whose thread had to wait for a core is not to wait behind those that burn it.
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

/// Does the work here.
pub(super) async fn slow_only(mut work: BoxFuture<'static, ()>, health: Arc<RouteHealth>) {
    std::future::poll_fn(|context| {
        let _poll = health.poll();
        work.poll_unpin(context)
    })
    .await;
}

/// Polls once and says what came of it.
pub(super) async fn first_poll<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
