//! The threads of running routes.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::control::RouteHandle;
use crate::flow::Ending;

/// Running routes, each with its own thread and event loop. A busy route delays no other, as many routes work at the same
/// time as there are CPUs, and a route and its source wake no other thread to exchange events.
///
/// Dropping it ends the routes at once: messages in flight are delivered again.
pub(super) struct Routes {
    ends: mpsc::UnboundedSender<Ended>,
    ended: mpsc::UnboundedReceiver<Ended>,
    running: Vec<Box<str>>,
    /// Handles of all routes that were started, including those that have ended.
    handles: Vec<RouteHandle>,
    abandoned: CancellationToken,
}

/// A route that has ended.
pub(super) struct Ended {
    pub(super) route: Box<str>,
    /// The result of the flow, or its panic.
    pub(super) how: Result<Ending, Box<dyn Any + Send>>,
}

impl Routes {
    pub(super) fn new() -> Self {
        let (ends, ended) = mpsc::unbounded_channel();
        Self { ends, ended, running: Vec::new(), handles: Vec::new(), abandoned: CancellationToken::new() }
    }

    /// Starts the flow of a route, which takes the commands of this handle.
    ///
    /// # Errors
    /// The thread or its event loop cannot be created.
    pub(super) fn start(
        &mut self,
        handle: RouteHandle,
        flow: impl Future<Output = Ending> + Send + 'static,
    ) -> io::Result<()> {
        let route = handle.name();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (abandoned, ends, name) = (self.abandoned.clone(), self.ends.clone(), Box::from(route));
        let run = move || {
            let run = AssertUnwindSafe(|| runtime.block_on(abandoned.run_until_cancelled(flow)));
            if let Some(how) = catch_unwind(run).transpose() {
                // There is no receiver if the host was dropped.
                let _ = ends.send(Ended { route: name, how });
            }
        };
        thread::Builder::new().name(route.to_owned()).spawn(run)?;
        self.running.push(route.into());
        self.handles.push(handle);
        Ok(())
    }

    /// Waits for the next route that ends; `None` if all have ended.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        if self.running.is_empty() {
            return None;
        }
        let ended = self.ended.recv().await?;
        let at = self.running.iter().position(|route| *route == ended.route)?;
        self.running.swap_remove(at);
        Some(ended)
    }

    /// Handles of all routes that were started. A route that has ended takes no command.
    pub(super) fn handles(&self) -> &[RouteHandle] {
        &self.handles
    }

    /// The names of the routes that have not ended.
    pub(super) fn running(&self) -> &[Box<str>] {
        &self.running
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.abandoned.cancel();
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::machine::Account;

    use super::*;

    fn handle(route: &str) -> RouteHandle {
        RouteHandle::new(route).0
    }

    fn ending(stopped: Option<&str>) -> Ending {
        Ending {
            account: Account::default(),
            stopped: stopped.map(Into::into),
            stuck: None,
            client_failed: false,
            until: tokio::time::Instant::now(),
            cut_short: false,
        }
    }

    #[tokio::test]
    async fn each_route_that_ends_is_told_by_its_name_one_that_panicked_too() {
        let mut routes = Routes::new();
        routes.start(handle("a"), async { ending(Some("enough")) }).unwrap();
        routes.start(handle("b"), async { panic!("on purpose") }).unwrap();
        let mut told = Vec::new();
        while let Some(Ended { route, how }) = routes.next().await {
            let how = how.map(|ending| ending.stopped.unwrap());
            told.push((route, how.unwrap_or_else(|panic| crate::exit::panic_text(&*panic).into())));
        }
        told.sort();
        assert_eq!(told, [("a".into(), "enough".into()), ("b".into(), "on purpose".into())]);
    }

    #[tokio::test]
    async fn a_route_that_keeps_its_thread_holds_up_no_other() {
        let mut routes = Routes::new();
        let (go_on, wait) = std::sync::mpsc::channel();
        // More routes than a shared runtime would have threads.
        let busy = 2 * thread::available_parallelism().unwrap().get();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        for _ in 0..busy {
            let wait = wait.clone();
            let keep = async move {
                wait.lock().unwrap().recv().unwrap();
                ending(None)
            };
            routes.start(handle("busy"), keep).unwrap();
        }
        routes.start(handle("other"), async { ending(None) }).unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), routes.next()).await;
        assert_eq!(&*ended.expect("it is held up").unwrap().route, "other");
        for _ in 0..busy {
            go_on.send(()).unwrap();
            assert_eq!(&*routes.next().await.unwrap().route, "busy");
        }
        assert!(routes.next().await.is_none());
    }

    #[tokio::test]
    async fn routes_that_nobody_waits_for_end_where_they_stand() {
        let mut routes = Routes::new();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let hold = async move {
            let _held = held;
            std::future::pending().await
        };
        routes.start(handle("a"), hold).unwrap();
        drop(routes);
        assert!(dropped.await.is_err());
    }
}
