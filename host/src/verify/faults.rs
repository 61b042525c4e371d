//! What strikes the hosts, when, and which of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Plan;
use super::history::World;
use super::hosts::{Hosts, Passage, Standing, Then};
use crate::broker::kafka::properties::fit;
use crate::config::Config;
use crate::exit::Problem;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// SIGKILL, and a new process in its place.
    Kill,
    /// SIGTERM, and a new process in its place when it has ended.
    Restart,
    /// SIGSTOP until the group has given its partitions to others, then SIGCONT.
    PausePastSession,
    /// SIGSTOP until its leases on a queue have run out, then SIGCONT.
    PausePastLease,
    /// SIGSTOP for longer than a session, a transaction and the time between two polls may last, then SIGCONT.
    PausePastTimeouts,
    /// Another host joins.
    Join,
    /// A host leaves and none comes in its place.
    Leave,
    /// The connections of a host are reset, and new ones for a second.
    Cut,
    /// Bytes take longer, each way.
    Delay,
    /// Answers come through, requests do not until the fault ends.
    HoldRequests,
    /// Requests reach the brokers, answers do not come through until the fault ends.
    HoldAnswers,
    /// The brokers do what was asked, and the connection ends where the answer begins.
    LoseAnswers,
    /// Nothing passes until the group has given the partitions to others.
    Isolate,
    /// Nothing passes for longer than a session, a transaction and the time between two polls may last.
    IsolatePastTimeouts,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Kill,
        Self::Restart,
        Self::PausePastSession,
        Self::PausePastLease,
        Self::PausePastTimeouts,
        Self::Join,
        Self::Leave,
        Self::Cut,
        Self::Delay,
        Self::HoldRequests,
        Self::HoldAnswers,
        Self::LoseAnswers,
        Self::Isolate,
        Self::IsolatePastTimeouts,
    ];

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Restart => "restart",
            Self::PausePastSession => "pause past the session",
            Self::PausePastLease => "pause past the lease",
            Self::PausePastTimeouts => "pause past every timeout",
            Self::Join => "host joins",
            Self::Leave => "host leaves",
            Self::Cut => "connections reset",
            Self::Delay => "network delay",
            Self::HoldRequests => "requests held",
            Self::HoldAnswers => "answers held",
            Self::LoseAnswers => "answers lost",
            Self::Isolate => "isolation past the session",
            Self::IsolatePastTimeouts => "isolation past every timeout",
        }
    }

    /// The word for it in arguments and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::PausePastSession => "pause_past_session",
            Self::PausePastLease => "pause_past_lease",
            Self::PausePastTimeouts => "pause_past_timeouts",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Cut => "cut",
            Self::Delay => "delay",
            Self::HoldRequests => "hold_requests",
            Self::HoldAnswers => "hold_answers",
            Self::LoseAnswers => "lose_answers",
            Self::Isolate => "isolate",
            Self::IsolatePastTimeouts => "isolate_past_timeouts",
        }
    }

    /// How often of 100 times it strikes, where all may. A fault past the session costs the session, most others a
    /// rebalance.
    fn share(self) -> u32 {
        match self {
            Self::Kill => 20,
            Self::Restart => 14,
            Self::PausePastSession => 3,
            Self::PausePastLease | Self::HoldRequests | Self::HoldAnswers | Self::Isolate => 5,
            Self::Join | Self::Leave => 6,
            Self::Cut => 9,
            Self::Delay => 6,
            Self::LoseAnswers => 13,
            Self::PausePastTimeouts => 2,
            Self::IsolatePastTimeouts => 1,
        }
    }

    /// Whether it needs a proxy between a host and its brokers.
    pub(super) fn is_of_the_network(self) -> bool {
        matches!(
            self,
            Self::Cut
                | Self::Delay
                | Self::HoldRequests
                | Self::HoldAnswers
                | Self::LoseAnswers
                | Self::Isolate
                | Self::IsolatePastTimeouts
        )
    }
}

/// How long faults last that have to outlast something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    /// Longer than the session timeout.
    past_session: Duration,
    /// Longer than every timeout of the clients.
    past_timeouts: Duration,
}

impl Lengths {
    /// By the timeouts of the hosts.
    pub(super) fn of(config: &Config) -> Self {
        let kafka = config.kafka.as_ref().map(|kafka| fit::longest_silences(&kafka.properties.0));
        let [session, poll, transaction] = kafka.unwrap_or_default();
        Self {
            past_session: (session * 5 / 4).max(PAST_LEASE),
            past_timeouts: session.max(poll).max(transaction) + MORE,
        }
    }

    /// Whether a run can wait for the longest faults.
    pub(super) fn are_bearable(self) -> bool {
        self.past_timeouts < BEARABLE
    }
}

/// What a fault that outlasts every timeout has more: brokers look for transactions to abort every few seconds.
const MORE: Duration = Duration::from_secs(4);

/// No fault lasts longer.
const BEARABLE: Duration = Duration::from_secs(60);

/// Longer than a lease.
const PAST_LEASE: Duration = Duration::from_millis(2500);

/// How long a fault of the network lasts that has nothing to outlast, in milliseconds: shorter than the session, and
/// shorter or longer than a route waits for its outputs before it holds.
const SHUT: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(3);
const HELD: Range<u64> = 1_000..6_000;
const LOST: Range<u64> = 500..3_000;

/// Of 100 faults so many may strike a host that does not work yet: one that starts or that joins the group.
const EARLY: u32 = 25;

/// Kinds with this share strike in every run that is long enough. The others last too long for that.
const COMMON: u32 = 3;

/// So many shares of the messages are written ahead of the faults: hosts that live have work while the group still waits
/// for one that died.
const AHEAD: u64 = 8;

/// A share of the messages is written in this time.
const PACE: Duration = Duration::from_secs(1);

/// Where nothing is settled for this long (a group without living members, leases that have to run out) the next fault
/// strikes all the same.
const PATIENCE: Duration = Duration::from_secs(20);

/// The faults of a run.
pub(super) struct Faults {
    chance: fastrand::Rng,
    /// Those that are still to strike.
    pending: Vec<Fault>,
    lengths: Lengths,
    /// How many there are to be.
    planned: u32,
    /// Messages that are settled between two.
    share: u64,
    /// Hosts, where nobody has joined or left.
    hosts: usize,
    struck: BTreeMap<Fault, u32>,
    begun: Instant,
    last: Instant,
}

impl Faults {
    /// Of a plan with these kinds.
    pub(super) fn new(plan: &Plan, kinds: &[Fault], lengths: Lengths) -> Self {
        let planned = if kinds.is_empty() { 0 } else { plan.faults };
        let share = (plan.messages / (u64::from(planned) + 1)).max(1);
        let mut chance = fastrand::Rng::with_seed(plan.seed);
        let pending = sequence(&mut chance, kinds, planned);
        let (hosts, struck) = (plan.hosts, BTreeMap::new());
        let (begun, last) = (Instant::now(), Instant::now());
        Self { chance, pending, lengths, planned, share, hosts, struck, begun, last }
    }

    /// How many have struck.
    pub(super) fn count(&self) -> u32 {
        self.struck.values().sum()
    }

    /// How many of each kind.
    pub(super) fn struck(&self) -> &BTreeMap<Fault, u32> {
        &self.struck
    }

    pub(super) fn over(&self) -> bool {
        self.count() >= self.planned
    }

    /// How many messages may be written by now: always some more than the next fault waits for, and never so many that
    /// the last faults would strike hosts without work.
    pub(super) fn allowed(&self) -> u64 {
        if self.planned == 0 {
            return u64::MAX;
        }
        // A fault that lasts is to meet messages all the while.
        let paced = 2.0 + self.begun.elapsed().as_secs_f64() / PACE.as_secs_f64();
        let paced = (self.share as f64 * paced) as u64;
        if self.over() { paced } else { paced.min(self.share * (u64::from(self.count()) + AHEAD)) }
    }

    /// Lets the next fault strike, if so many messages are done that its time has come, and it finds somebody.
    pub(super) async fn strike(&mut self, done: u64, hosts: &mut Hosts, world: &mut World) -> Result<(), Problem> {
        let due = done >= self.share * (u64::from(self.count()) + 1) || self.last.elapsed() > PATIENCE;
        if self.over() || !due {
            return Ok(());
        }
        let Some((fault, slot)) = self.next(hosts) else { return Ok(()) };
        tracing::debug!(?fault, slot, done, "fault");
        match fault {
            Fault::Kill => {
                hosts.kill(slot, world).await?;
                hosts.start(slot)?;
            }
            Fault::Restart => hosts.terminate(slot, Then::Start),
            Fault::PausePastSession => hosts.pause(slot, self.lengths.past_session),
            Fault::PausePastLease => hosts.pause(slot, PAST_LEASE),
            Fault::PausePastTimeouts => hosts.pause(slot, self.lengths.past_timeouts),
            Fault::Join => hosts.start(slot)?,
            Fault::Leave => hosts.terminate(slot, Then::Empty),
            Fault::Cut => hosts.trouble(slot, fault, SHUT, Passage::Some),
            Fault::Delay => hosts.trouble(slot, fault, SLOW, Passage::Some),
            Fault::HoldRequests | Fault::HoldAnswers => {
                let length = Duration::from_millis(self.chance.u64(HELD));
                hosts.trouble(slot, fault, length, Passage::None);
            }
            Fault::LoseAnswers => {
                let length = Duration::from_millis(self.chance.u64(LOST));
                hosts.trouble(slot, fault, length, Passage::Some);
            }
            Fault::Isolate => hosts.trouble(slot, fault, self.lengths.past_session, Passage::None),
            Fault::IsolatePastTimeouts => hosts.trouble(slot, fault, self.lengths.past_timeouts, Passage::None),
        }
        *self.struck.entry(fault).or_default() += 1;
        self.last = Instant::now();
        Ok(())
    }

    /// The first fault that finds somebody, and whom.
    fn next(&mut self, hosts: &Hosts) -> Option<(Fault, usize)> {
        // Asked anew each time: a host that starts when all messages are done never works.
        let early = self.chance.u32(0..100) < EARLY;
        for place in 0..self.pending.len() {
            let fault = self.pending[place];
            if let Some(slot) = self.target(fault, early, hosts) {
                self.pending.remove(place);
                return Some((fault, slot));
            }
            // Nobody is struck who is alone, nobody can leave before somebody joins, and the other way round.
            let waits_for = match fault {
                Fault::Join => Fault::Leave,
                _ if hosts.standing().len() < self.hosts => Fault::Join,
                _ => continue,
            };
            if self.pending.iter().all(|other| *other != waits_for) {
                self.pending[place] = waits_for;
            }
        }
        None
    }

    /// Whom it strikes; `None` where it has to be another fault, or another time.
    fn target(&mut self, fault: Fault, early: bool, hosts: &Hosts) -> Option<usize> {
        let standing = hosts.standing();
        if fault == Fault::Join {
            return hosts.free();
        }
        if fault == Fault::Leave && standing.len() < self.hosts {
            return None;
        }
        // Somebody goes on, where there is more than one.
        let goes_on = |slot: usize| self.hosts == 1 || standing.iter().any(|host| host.awake && host.slot != slot);
        let ready = |host: &Standing| (early || host.works) && (host.started || !fault.is_of_the_network());
        let may = |host: &&Standing| !host.busy && ready(host) && goes_on(host.slot);
        let candidates: Vec<usize> = standing.iter().filter(may).map(|host| host.slot).collect();
        (!candidates.is_empty()).then(|| candidates[self.chance.usize(0..candidates.len())])
    }
}

/// Which faults strike, and in which order: each common kind once, where there are so many, and the rest by chance.
fn sequence(chance: &mut fastrand::Rng, kinds: &[Fault], count: u32) -> Vec<Fault> {
    let count = count as usize;
    let common = kinds.iter().copied().filter(|fault| fault.share() >= COMMON);
    let mut faults: Vec<Fault> = common.collect();
    if faults.len() > count {
        faults.clear();
    }
    while faults.len() < count {
        faults.push(pick(chance, kinds));
    }
    chance.shuffle(&mut faults);
    faults
}

fn pick(chance: &mut fastrand::Rng, kinds: &[Fault]) -> Fault {
    let mut ticket = chance.u32(0..kinds.iter().map(|fault| fault.share()).sum());
    for fault in kinds {
        match ticket.checked_sub(fault.share()) {
            Some(rest) => ticket = rest,
            None => return *fault,
        }
    }
    kinds[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Delivery;
    use crate::verify::stage::Names;

    fn plan(planned: u32) -> Plan {
        Plan {
            delivery: Delivery::default(),
            sections: toml::Table::new(),
            messages: 1_000,
            failing: 0,
            faults: planned,
            kinds: Vec::new(),
            seed: 1,
            hosts: 2,
            simulate: 0,
        }
    }

    fn faults(planned: u32) -> Faults {
        let lengths = Lengths { past_session: PAST_LEASE, past_timeouts: MORE };
        Faults::new(&plan(planned), &Fault::ALL, lengths)
    }

    #[test]
    fn where_a_host_is_left_alone_another_joins_so_that_faults_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let networks = std::iter::repeat_with(|| None).take(4).collect();
        let hosts = Hosts::new(folder.path().into(), &plan(3), &Names::of("x"), networks).unwrap();
        let mut faults = faults(3);
        faults.pending = vec![Fault::Kill, Fault::Restart, Fault::Kill];
        assert!(faults.next(&hosts).is_none(), "it finds nobody");
        assert_eq!(faults.next(&hosts), Some((Fault::Join, 0)));
        assert_eq!(faults.pending, [Fault::Restart, Fault::Kill], "the others are still to strike");
    }

    #[test]
    fn messages_are_written_share_by_share_while_faults_strike() {
        assert_eq!(faults(0).allowed(), u64::MAX);
        let mut faults = faults(9);
        assert!((200..400).contains(&faults.allowed()), "{}", faults.allowed());
        faults.begun = Instant::now().checked_sub(60 * PACE).expect("the system has been up for a minute");
        assert_eq!(faults.allowed(), 100 * AHEAD, "not too far ahead of the faults");
        faults.struck.insert(Fault::Kill, 9);
        assert!(faults.allowed() > 1_000, "all, when they have struck");
    }

    #[test]
    fn every_common_kind_strikes_and_all_about_as_often_as_their_shares_say() {
        for seed in 0..20 {
            let faults = sequence(&mut fastrand::Rng::with_seed(seed), &Fault::ALL, 20);
            assert_eq!(faults.len(), 20);
            let strikes = |fault: &Fault| faults.iter().any(|it| it == fault);
            assert!(Fault::ALL.iter().filter(|fault| fault.share() >= COMMON).all(strikes), "{seed}: {faults:?}");
        }
        let few = sequence(&mut fastrand::Rng::with_seed(1), &[Fault::Leave, Fault::IsolatePastTimeouts], 1);
        assert_eq!(few.len(), 1);
        let faults = sequence(&mut fastrand::Rng::with_seed(1), &Fault::ALL, 10_000);
        for fault in Fault::ALL {
            let count = faults.iter().filter(|it| **it == fault).count();
            let expected = 100 * fault.share() as usize;
            assert!(count.abs_diff(expected) <= 30 + expected / 5, "{fault:?}: {count} of about {expected}");
        }
    }

    #[test]
    fn the_shares_are_percentages_and_words_are_those_of_the_report() {
        assert_eq!(Fault::ALL.iter().map(|fault| fault.share()).sum::<u32>(), 100);
        for fault in Fault::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.word());
        }
    }
}
