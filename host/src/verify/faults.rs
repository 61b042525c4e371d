//! What strikes the hosts, when, and which of them.

mod lengths;
mod sequence;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::history::World;
use super::hosts::{AfterExit, Hosts, Passage, Target};
use super::{Fault, Plan};
use crate::exit::Problem;
pub(super) use lengths::Lengths;
use lengths::PAST_LEASE;
use sequence::sequence;

/// How long a fault of the network lasts that has nothing to outlast, in milliseconds: shorter than the session, and
/// shorter or longer than a route waits for its outputs before it holds.
const SHUT: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(3);
const HELD: Range<u64> = 1_000..6_000;
const LOST: Range<u64> = 500..3_000;

/// Of 100 faults so many may strike a host that does not work yet: one that starts or that joins the group.
const EARLY: u32 = 25;

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
            Fault::Restart => hosts.terminate(slot, AfterExit::Start),
            Fault::PausePastSession => hosts.pause(slot, self.lengths.past_session),
            Fault::PausePastLease => hosts.pause(slot, PAST_LEASE),
            Fault::PausePastTimeouts => hosts.pause(slot, self.lengths.past_timeouts),
            Fault::Join => hosts.start(slot)?,
            Fault::Leave => hosts.terminate(slot, AfterExit::Empty),
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
                _ if hosts.targets().len() < self.hosts => Fault::Join,
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
        let targets = hosts.targets();
        if fault == Fault::Join {
            return hosts.free();
        }
        if fault == Fault::Leave && targets.len() < self.hosts {
            return None;
        }
        // Somebody goes on, where there is more than one.
        let goes_on = |slot: usize| self.hosts == 1 || targets.iter().any(|host| host.awake && host.slot != slot);
        let ready = |host: &Target| (early || host.works) && (host.started || !fault.is_of_the_network());
        let may = |host: &&Target| !host.busy && ready(host) && goes_on(host.slot);
        let candidates: Vec<usize> = targets.iter().filter(may).map(|host| host.slot).collect();
        (!candidates.is_empty()).then(|| candidates[self.chance.usize(0..candidates.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::lengths::MORE;
    use super::*;
    use crate::broker::verify::Names;
    use crate::verify::Delivery;

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
        let lengths = Lengths { past_session: PAST_LEASE, past_timeouts: MORE, place: "" };
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
}
