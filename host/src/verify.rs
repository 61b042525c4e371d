//! The guarantee suite on the user's brokers: checks the guarantees under injected faults.
//!
//! ```text
//!            ┌── writer ──► in ──► hosts (child processes) ──► out, dead letters, error events ──► reader ──┐
//!  workload ─┤                       ▲  │ journals                                                          ├─► history ─► judge
//!            └── faults ─────────────┘  └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Faults affect the hosts and the network between hosts and brokers, through a proxy per host and broker. A crate that
//! shares no code with the host also checks the results of readers.
//!
//! All topics and queues of a run carry its id, and are removed at the end.

mod fault;
mod faults;
mod figures;
mod found;
mod history;
mod hosts;
mod judgement;
mod network;
mod readers;
mod report;
mod run;
mod simulated;
mod stages;
mod workload;
mod writer;

use std::path::Path;

pub use fault::Fault;
pub use figures::Figures;
pub use network::NetworkEffects;
pub use report::{Course, Foreign, Line, Report, Verdict};
pub use run::Run;
pub use simulated::Simulated;

use serde::{Deserialize, Serialize};

use crate::broker::verify::Names;
use crate::config::Config;
use crate::exit::{Exit, Problem};
use run::COURSE;
use stages::Stages;

/// How often a message may have its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// At least once.
    #[default]
    AtLeastOnce,
    /// Exactly once; from Kafka to Kafka only.
    ExactlyOnce,
}

impl Delivery {
    /// The word for it in configurations.
    pub fn word(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the routes of the hosts promise.
    pub delivery: Delivery,
    /// The sections `kafka` and `sqs` of a configuration, one of them at least.
    pub sections: toml::Table,
    /// Messages to write.
    pub messages: u64,
    /// Of 100 messages so many fail at every attempt.
    pub failing: u8,
    /// Faults to inject.
    pub faults: u32,
    /// Kinds of them; all where there is none.
    pub kinds: Vec<Fault>,
    /// Seed for the contents of the messages and the choice of faults and their targets.
    pub seed: u64,
    /// Hosts, while nobody has joined or left; at least 1.
    pub hosts: usize,
    /// Histories of simulated worlds before that.
    pub simulate: u64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Messages that are acknowledged.
    pub done: u64,
    /// Faults that have struck.
    pub faults: u32,
    /// Simulated histories.
    pub histories: u64,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Step {
    /// Making topics and queues.
    #[default]
    Prepare,
    /// Simulated worlds live through their histories.
    Simulate,
    /// Messages go through the hosts, and faults strike them.
    Strike,
    /// All faults have struck; the hosts do what is left.
    Settle,
    /// An independent reader reads what came out.
    Read,
    /// The history is judged.
    Judge,
}

/// Judges the history that an earlier run has left in a folder.
///
/// # Errors
/// When it is not there, or not whole.
pub fn judge(folder: &Path) -> Result<Report, Vec<Problem>> {
    let file = folder.join(COURSE);
    let text = std::fs::read(&file).map_err(|error| Problem { exit: Exit::Data, ..unusable(&file, &error) })?;
    let course: Course = serde_json::from_slice(&text)
        .map_err(|error| Problem::new(Exit::Data, error.to_string(), "").at(file.display().to_string()))?;
    let environment = |name: &str| std::env::var(name).ok();
    let config = Config::load(&folder.join(hosts::DIRECT), &environment).map_err(|errors| configured(&errors))?;
    let read = readers::check(folder, course.delivery)?;
    Ok(Report::new(course, &judgement::judge(folder, &config)?, &read, None))
}

/// Removes what a run that was killed has left at the brokers, by the id in its names.
///
/// # Errors
/// When a broker cannot be reached, or refuses.
pub async fn remove(sections: &toml::Table, id: &str) -> Result<(), Vec<Problem>> {
    let names = Names::of(id);
    let environment = |name: &str| std::env::var(name).ok();
    let text = hosts::configuration(sections, Delivery::default(), &names, 1).to_string();
    let config = Config::parse(&text, Path::new(""), &environment).map_err(|errors| configured(&errors))?;
    Ok(Stages::new(&config, names).await?.remove().await?)
}

fn configured(errors: &crate::config::Errors) -> Vec<Problem> {
    let problems = errors.problems().iter();
    problems.map(|error| Problem::new(Exit::Configuration, &*error.what, &*error.remedy).at(error.place())).collect()
}

fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Exit::Unavailable, error.to_string(), "").at(path.display().to_string())
}
