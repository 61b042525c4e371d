//! The progress bar of a run.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::verify::{Progress, Step};

/// Draws until the run has ended, if standard error is a terminal.
pub(super) fn follow(mut seen: watch::Receiver<Progress>, messages: u64, faults: u32) -> JoinHandle<()> {
    let bar = ProgressBar::new(messages);
    let template = "{elapsed_precise} {wide_bar} {human_pos} of {human_len} messages, {msg}";
    bar.set_style(ProgressStyle::with_template(template).expect("a template, as a test sees"));
    tokio::spawn(async move {
        bar.enable_steady_tick(Duration::from_secs(1));
        while seen.changed().await.is_ok() {
            let progress = *seen.borrow_and_update();
            bar.set_position(progress.done);
            bar.set_message(match progress.step {
                Step::Prepare => "creating topics and queues".to_owned(),
                Step::Simulate => format!("{} simulated histories", progress.histories),
                Step::Strike => format!("{} of {faults} faults", progress.faults),
                Step::Settle => "all faults are injected".to_owned(),
                Step::Read => "reading the outputs".to_owned(),
                Step::Judge => "checking the history".to_owned(),
            });
        }
        bar.finish_and_clear();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ends_with_the_run() {
        let (progress, seen) = watch::channel(Progress::default());
        let bar = follow(seen, 10, 2);
        progress.send_replace(Progress { step: Step::Strike, done: 5, faults: 1, histories: 3 });
        drop(progress);
        bar.await.unwrap();
    }
}
