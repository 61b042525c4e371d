//! What the judge says in the end.

use std::fmt;

use serde::Serialize;

use crate::{Fact, RecordId};

/// Violations that are shown of each promise.
const SHOWN: usize = 5;

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// Nothing is acknowledged before its effects are durable.
    DurableFirst,
    /// A delivery is settled exactly once, or its partition or lease is lost.
    SettledOnce,
    /// An offset is committed only when every earlier one is settled, and by who has the partition.
    CommitOrder,
    /// A key is handled by one instance at a time and in order, across retries and hosts.
    KeyOrder,
    /// Work in flight is bounded.
    Bounded,
    /// A handler that failed has emitted nothing.
    FailedIsSilent,
    /// Every record is acknowledged or outstanding, never both or neither.
    OneEnd,
    /// What was acknowledged has its effects, and in the end everything was.
    NothingLost,
    /// Handled again is at most what was in flight at a fault.
    RepeatsBounded,
    /// No record gets more attempts than the route says, and no attempt is forgotten.
    AttemptsCounted,
    /// A host hands a message back only when it stops or has lost the one before it, and never on its last receive: a queue
    /// moves away only what faults have used the receives of up.
    NotMoved,
    /// Each effect is there exactly once and in order: asked of routes that promise it.
    ExactlyOnce,
    /// A record comes to its end within a bound, however many others fail.
    Timely,
    /// A record whose dead letter is refused for ever holds its key, and nobody else.
    OthersGoOn,
}

impl Promise {
    /// All, in the order of the report.
    pub const ALL: [Self; 14] = [
        Self::DurableFirst,
        Self::SettledOnce,
        Self::CommitOrder,
        Self::KeyOrder,
        Self::Bounded,
        Self::FailedIsSilent,
        Self::OneEnd,
        Self::NothingLost,
        Self::RepeatsBounded,
        Self::AttemptsCounted,
        Self::NotMoved,
        Self::ExactlyOnce,
        Self::Timely,
        Self::OthersGoOn,
    ];
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DurableFirst => "nothing is acknowledged before its effects are durable",
            Self::SettledOnce => "a delivery is settled exactly once, or its partition or lease is lost",
            Self::CommitOrder => "an offset is committed only when every earlier one is settled",
            Self::KeyOrder => "a key is handled by one instance at a time, in order, also across retries",
            Self::Bounded => "work in flight is bounded",
            Self::FailedIsSilent => "a failed attempt emits nothing",
            Self::OneEnd => "every record is handled, stored as a dead letter, or still outstanding",
            Self::NothingLost => "nothing is lost",
            Self::RepeatsBounded => "repeats are at most what was in flight at a fault",
            Self::OthersGoOn => "a rejected dead letter blocks its key, and no other record",
            Self::NotMoved => "a queue moves no message away unless faults have used up its receives",
            Self::ExactlyOnce => "each effect occurs exactly once, in order",
            Self::Timely => "failing messages delay other messages by a bounded time",
            Self::AttemptsCounted => "attempts are counted across restarts, and never exceed the limit",
        })
    }
}

/// How a promise was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// Which.
    pub promise: Promise,
    /// How often it was looked at.
    pub checked: u64,
    /// How often it was broken.
    pub broken: u64,
    /// The first times.
    pub shown: Vec<Violation>,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// The record that it is about, where there is one.
    pub record: Option<RecordId>,
    /// What is wrong, for people.
    pub text: String,
    /// The fact that shows it; `None` where it shows at the end only.
    pub fact: Option<Fact>,
}

/// What was counted on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Figures {
    /// Facts read.
    pub facts: u64,
    /// Records that were produced.
    pub records: u64,
    /// Of them handled, and acknowledged.
    pub handled: u64,
    /// Of them stored as an error, and acknowledged.
    pub dead_lettered: u64,
    /// Of them suppressed as duplicates, and acknowledged.
    pub duplicates: u64,
    /// Of them acknowledged without a trace, as configured.
    pub ignored: u64,
    /// Of them outstanding at the end.
    pub outstanding: u64,
    /// Attempts.
    pub attempts: u64,
    /// Attempts by a host that did not know that the record was somebody else's already.
    pub zombies: u64,
    /// Hosts killed, partitions and leases lost.
    pub faults: u64,
    /// What was in flight at them, all together: the bound on repeats.
    pub at_risk: u64,
    /// Records handled again whose effects were complete.
    pub repeats: u64,
    /// Effects found more than once.
    pub found_again: u64,
    /// Most records in flight in one host.
    pub most_in_flight: u64,
    /// The longest that a record took, where there is a limit on that, in milliseconds.
    pub slowest_ms: u64,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Every promise, in the order of [`Promise::ALL`].
    pub promises: Vec<Kept>,
    /// What was counted.
    pub figures: Figures,
}

impl Default for Report {
    fn default() -> Self {
        let kept = |promise| Kept { promise, checked: 0, broken: 0, shown: Vec::new() };
        Self { promises: Promise::ALL.map(kept).into(), figures: Figures::default() }
    }
}

impl Report {
    /// Whether every promise was kept.
    pub fn is_kept(&self) -> bool {
        self.promises.iter().all(|kept| kept.broken == 0)
    }

    /// How this promise was kept.
    pub fn of(&self, promise: Promise) -> &Kept {
        self.promises.iter().find(|kept| kept.promise == promise).expect("every promise is there")
    }

    /// The promises that were broken.
    pub fn broken(&self) -> impl Iterator<Item = &Kept> {
        self.promises.iter().filter(|kept| kept.broken > 0)
    }

    pub(crate) fn of_mut(&mut self, promise: Promise) -> &mut Kept {
        self.promises.iter_mut().find(|kept| kept.promise == promise).expect("every promise is there")
    }

    /// Adds what another history has shown.
    pub fn add(&mut self, other: &Self) {
        for kept in &other.promises {
            let sum = self.of_mut(kept.promise);
            sum.checked += kept.checked;
            sum.broken += kept.broken;
            let room = SHOWN.saturating_sub(sum.shown.len());
            sum.shown.extend(kept.shown.iter().take(room).cloned());
        }
        self.figures.add(&other.figures);
    }
}

impl Kept {
    pub(crate) fn note(&mut self, violation: Violation) {
        self.broken += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(violation);
        }
    }
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.facts += other.facts;
        self.records += other.records;
        self.handled += other.handled;
        self.dead_lettered += other.dead_lettered;
        self.ignored += other.ignored;
        self.duplicates += other.duplicates;
        self.outstanding += other.outstanding;
        self.attempts += other.attempts;
        self.zombies += other.zombies;
        self.faults += other.faults;
        self.at_risk += other.at_risk;
        self.repeats += other.repeats;
        self.found_again += other.found_again;
        self.most_in_flight = self.most_in_flight.max(other.most_in_flight);
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
    }
}

/// One line for each promise, the first violations, and the figures.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Kept { promise, checked, broken, shown } in &self.promises {
            match broken {
                0 if *checked == 0 => continue,
                0 => writeln!(f, "held    {promise} ({checked} checks)")?,
                _ => writeln!(f, "BROKEN  {promise} ({broken} times in {checked} checks)")?,
            }
            for violation in shown {
                writeln!(f, "        {violation}")?;
            }
        }
        let Figures { records, attempts, faults, at_risk, repeats, zombies, .. } = self.figures;
        write!(f, "{records} records, {attempts} attempts, {faults} faults with {at_risk} records in flight, ")?;
        write!(f, "{repeats} handled again, {zombies} attempts without the right to")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(record) = &self.record {
            write!(f, "{record}: ")?;
        }
        f.write_str(&self.text)?;
        match &self.fact {
            Some(fact) => write!(f, " | {fact}"),
            None => Ok(()),
        }
    }
}
