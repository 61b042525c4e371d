//! What came of a run, for people and machines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_checker::Findings;
use cofferdam_guarantees::{Kept, Promise};
use serde::{Deserialize, Serialize};

use super::{Delivery, Fault, Figures, NetworkEffects, Simulated};

/// How a run went: what the judge cannot see in its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// What the names of its topics and queues begin with.
    pub name: String,
    /// What the routes of the hosts promised.
    pub delivery: Delivery,
    /// The seed that decided over messages and faults.
    pub seed: u64,
    /// Hosts, while nobody had joined or left.
    pub hosts: usize,
    /// Messages that were written, by broker.
    pub messages: BTreeMap<String, u64>,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<Fault, u32>,
    /// What the faults of the network did.
    pub network: NetworkEffects,
    /// Faults that could not strike here, and why.
    pub left_out: Vec<String>,
    /// From the first message to the last acknowledgement, in seconds.
    pub seconds: f64,
    /// The most that one host used.
    pub peak: Figures,
    /// Hosts that ended otherwise than they were told to.
    pub failures: Vec<String>,
    /// Dead letters that differ from their originals, outputs of no message.
    pub foreign: Foreign,
}

/// What nobody can have written, if the hosts keep what they promise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Foreign {
    /// How much.
    pub count: u64,
    /// Where the first are.
    pub places: Vec<String>,
}

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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Its number in the list of promises, where it has one.
    pub number: Option<u8>,
    /// What is promised.
    pub promise: String,
    /// What came of it.
    pub verdict: Verdict,
    /// How often it was looked at in the run.
    pub checked: u64,
    /// How often it was looked at in simulated worlds.
    pub simulated: u64,
    /// How often it was broken, in both.
    pub broken: u64,
    /// The first times, in words.
    pub shown: Vec<String>,
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether all checked guarantees held.
    pub held: bool,
    /// Each promise.
    pub promises: Vec<Line>,
    /// How the run went.
    #[serde(flatten)]
    pub course: Course,
    /// Messages a second, faults and all.
    pub messages_per_second: f64,
    /// What the judge counted.
    pub judged: cofferdam_guarantees::Figures,
    /// What the checker of what readers find counted.
    pub readers: cofferdam_checker::Figures,
    /// What simulated worlds have shown before, if there were any.
    pub simulated: Option<Simulated>,
    /// Where the history is, if it was kept.
    pub journals: Option<PathBuf>,
}

/// What a run like this cannot tell, by number.
const NOT_CHECKED: [(u8, &str); 2] = [
    (5, "no guest holds a thread beyond its deadline or memory beyond its limit"),
    (9, "a plugin swap loses nothing and repeats nothing"),
];

impl Report {
    /// What the judge says of the history, what readers have found, and what was seen beside it.
    pub(super) fn new(
        course: Course,
        judged: &cofferdam_guarantees::Report,
        read: &Findings,
        simulated: Option<(Simulated, cofferdam_guarantees::Report)>,
    ) -> Self {
        let (simulated, worlds) = simulated.filter(|(simulated, _)| simulated.histories > 0).unzip();
        let worlds = worlds.unwrap_or_default();
        let mut promises: Vec<Line> = judged.promises.iter().map(|kept| line(kept, worlds.of(kept.promise))).collect();
        promises.extend(NOT_CHECKED.map(|(number, promise)| Line {
            number: Some(number),
            promise: promise.to_owned(),
            verdict: Verdict::NotChecked,
            checked: 0,
            simulated: 0,
            broken: 0,
            shown: Vec::new(),
        }));
        // Those without a number last.
        promises.sort_by_key(|line| line.number.unwrap_or(u8::MAX));
        let found = read.rules().iter().filter(|finding| finding.checked > 0 || finding.broken > 0);
        promises.extend(found.map(|it| seen(it.rule.words(), it.checked, it.broken, &it.shown)));
        let written = judged.figures.records;
        let foreign = &course.foreign;
        promises.push(seen(
            "all that is stored or emitted belongs to a message, byte for byte",
            written,
            foreign.count,
            &foreign.places,
        ));
        let started = u64::from(course.faults.values().sum::<u32>()) + course.hosts as u64;
        let failures = &course.failures;
        promises.push(seen("no host exits without a signal", started, failures.len() as u64, failures));
        if let Some(simulated) = &simulated {
            let shown: Vec<String> =
                simulated.first_broken.iter().map(|seed| format!("the first broken one has seed {seed}")).collect();
            promises.push(seen(
                "simulated histories keep all of these guarantees",
                simulated.histories,
                simulated.broken,
                &shown,
            ));
        }
        Self {
            held: promises.iter().all(|line| line.verdict != Verdict::Broken),
            messages_per_second: written as f64 / course.seconds.max(0.001),
            judged: judged.figures,
            readers: read.figures,
            journals: None,
            simulated,
            promises,
            course,
        }
    }
}

fn line(kept: &Kept, simulated: &Kept) -> Line {
    let shown: Vec<String> = kept.shown.iter().chain(&simulated.shown).map(ToString::to_string).collect();
    Line {
        number: number(kept.promise),
        simulated: simulated.checked,
        ..seen(&kept.promise.to_string(), kept.checked, kept.broken + simulated.broken, &shown)
    }
}

fn seen(promise: &str, checked: u64, broken: u64, shown: &[String]) -> Line {
    let verdict = match (broken, checked) {
        (0, 0) => Verdict::NotChecked,
        (0, _) => Verdict::Held,
        _ => Verdict::Broken,
    };
    Line { number: None, promise: promise.to_owned(), verdict, checked, simulated: 0, broken, shown: shown.to_vec() }
}

/// The number of a promise in the list that users know.
fn number(promise: Promise) -> Option<u8> {
    match promise {
        Promise::DurableFirst => Some(1),
        Promise::SettledOnce => Some(2),
        Promise::CommitOrder => Some(3),
        Promise::KeyOrder => Some(4),
        Promise::Bounded => Some(6),
        Promise::FailedIsSilent => Some(7),
        Promise::OneEnd => Some(8),
        Promise::NothingLost
        | Promise::RepeatsBounded
        | Promise::AttemptsCounted
        | Promise::NotMoved
        | Promise::ExactlyOnce
        | Promise::Timely
        | Promise::OthersGoOn
        | Promise::PauseKept => None,
    }
}
