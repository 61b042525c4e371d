//! What came of a run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cofferdam_guarantees::{Effect, What};
use serde::Serialize;

use super::faults::Faults;
use super::found::Found;
use super::history::History;
use super::{Fault, Figures, Run};
use crate::exit::Problem;

/// What came of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against it.
    Held,
    /// It was broken.
    Broken,
    /// A run like this cannot tell.
    NotChecked,
}

/// A promise, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// In a few words.
    pub promise: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// Figures, or what broke it.
    pub detail: String,
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Each promise.
    pub promises: Vec<Promise>,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<Fault, u32>,
    /// The most that one host used.
    pub figures: Figures,
    /// From the first message to the last settled one, in seconds.
    pub seconds: f64,
    /// All of it.
    pub total: f64,
    /// x
    pub foreign: u64,
    /// x
    pub failures: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Judged {
    promises: Vec<Promise>,
}

/// Judges the history in a folder.
pub(super) fn judge(folder: &Path) -> Result<Judged, Problem> {
    let mut history = History::open(folder)?;
    #[derive(Default)]
    struct R {
        produced: bool,
        out: [u32; 3],
        dead: u32,
        handled: u32,
        outstanding: bool,
    }
    let mut all: BTreeMap<Box<str>, R> = BTreeMap::new();
    let mut facts = 0u64;
    while let Some(fact) = history.next()? {
        facts += 1;
        match fact.what {
            What::Produced { record, .. } => all.entry(record).or_default().produced = true,
            What::Handling { record, .. } => all.entry(record).or_default().handled += 1,
            What::Outstanding { record, .. } => all.entry(record).or_default().outstanding = true,
            What::Found { record, effect: Effect::Output(i) } => all.entry(record).or_default().out[i as usize] += 1,
            What::Found { record, effect: Effect::DeadLetter } => all.entry(record).or_default().dead += 1,
            _ => {}
        }
    }
    let unproduced = all.values().filter(|r| !r.produced).count();
    let lost = all.values().filter(|r| r.handled == 0).count();
    let nothing = all.values().filter(|r| r.out[0] == 0 && r.dead == 0).count();
    let both = all.values().filter(|r| r.out[0] > 0 && r.dead > 0).count();
    let repeats: u32 = all.values().map(|r| r.out[0].saturating_sub(1) + r.dead.saturating_sub(1)).sum();
    let outstanding = all.values().filter(|r| r.outstanding).count();
    let detail = format!(
        "facts {facts} records {} unproduced {unproduced} lost {lost} nothing {nothing} both {both} repeats {repeats} outstanding {outstanding}",
        all.len()
    );
    Ok(Judged { promises: vec![Promise { promise: "crude", verdict: Verdict::NotChecked, detail }] })
}

impl Report {
    pub(super) fn new(
        run: &Run,
        faults: &Faults,
        found: Found,
        judged: Judged,
        handled: Duration,
        total: Duration,
    ) -> Self {
        Self {
            promises: judged.promises,
            faults: faults.struck().clone(),
            figures: run.hosts.figures(),
            seconds: handled.as_secs_f64(),
            total: total.as_secs_f64(),
            foreign: found.foreign,
            failures: run.hosts.failures().to_vec(),
        }
    }
}
