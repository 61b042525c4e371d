//! The rules alone, in simulated worlds: thousands of seeded histories, judged by the same judge.

use cofferdam_guarantees::Report;
use cofferdam_guarantees::simulation::{Options, simulate_many};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Progress, Step};

/// What simulated worlds have shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Simulated {
    /// Histories lived through.
    pub histories: u64,
    /// Of them with a broken promise.
    pub broken: u64,
    /// The seed of the first of them.
    pub first_broken: Option<u64>,
}

/// Lives through so many histories, from the first seed on. Takes a core for itself.
pub(super) fn simulate(
    first: u64,
    histories: u64,
    progress: &watch::Sender<Progress>,
    stop: &CancellationToken,
) -> (Simulated, Report) {
    progress.send_modify(|progress| progress.step = Step::Simulate);
    let total = simulate_many(first, &Options::default(), |so_far| {
        progress.send_modify(|progress| progress.histories = so_far.histories);
        so_far.histories >= histories || stop.is_cancelled()
    });
    let first_broken = total.first_broken.as_ref().map(|run| run.seed);
    (Simulated { histories: total.histories, broken: total.broken, first_broken }, total.report)
}
