//! What strikes the hosts, when, and which of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::history::World;
use super::hosts::{Hosts, Standing, Then};
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
    /// Another host joins.
    Join,
    /// A host leaves and none comes in its place.
    Leave,
}

impl Fault {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Restart => "restart",
            Self::PausePastSession => "pause past the session",
            Self::PausePastLease => "pause past the lease",
            Self::Join => "host joins",
            Self::Leave => "host leaves",
        }
    }
}

/// What may strike, and how often of 100 times. A pause past the session costs the session, all others a rebalance.
const MIX: [(Fault, u32); 6] = [
    (Fault::Kill, 38),
    (Fault::Restart, 26),
    (Fault::PausePastSession, 4),
    (Fault::PausePastLease, 10),
    (Fault::Join, 11),
    (Fault::Leave, 11),
];

/// Longer than the session timeout and shorter than it, and longer than a lease.
const PAST_SESSION: Duration = Duration::from_millis(7500);
const PAST_LEASE: Duration = Duration::from_millis(2500);

/// Of 100 faults so many may strike a host that does not work yet: one that starts or that joins the group.
const EARLY: u32 = 25;

/// Where nothing is settled for this long (a group without living members, leases that have to run out) the next fault
/// strikes all the same.
const PATIENCE: Duration = Duration::from_secs(20);

/// The faults of a run.
pub(super) struct Faults {
    chance: fastrand::Rng,
    /// How many there are to be.
    planned: u32,
    /// Messages that are settled between two.
    share: u64,
    /// Hosts, where nobody has joined or left.
    hosts: usize,
    struck: BTreeMap<Fault, u32>,
    last: Instant,
}

impl Faults {
    pub(super) fn new(seed: u64, planned: u32, messages: u64, hosts: usize) -> Self {
        let share = (messages / (u64::from(planned) + 1)).max(1);
        let chance = fastrand::Rng::with_seed(seed);
        Self { chance, planned, share, hosts, struck: BTreeMap::new(), last: Instant::now() }
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
        if self.over() { u64::MAX } else { self.share * (u64::from(self.count()) + 3) }
    }

    /// Lets the next fault strike, if so many messages are done that its time has come, and it finds somebody.
    pub(super) async fn strike(&mut self, done: u64, hosts: &mut Hosts, world: &mut World) -> Result<(), Problem> {
        let due = done >= self.share * (u64::from(self.count()) + 1) || self.last.elapsed() > PATIENCE;
        if self.over() || !due {
            return Ok(());
        }
        let early = self.chance.u32(0..100) < EARLY;
        let fault = self.pick();
        let Some(slot) = self.target(fault, early, hosts) else { return Ok(()) };
        tracing::debug!(?fault, slot, done, "fault");
        match fault {
            Fault::Kill => {
                hosts.kill(slot, world).await?;
                hosts.start(slot)?;
            }
            Fault::Restart => hosts.terminate(slot, Then::Start),
            Fault::PausePastSession => hosts.pause(slot, PAST_SESSION),
            Fault::PausePastLease => hosts.pause(slot, PAST_LEASE),
            Fault::Join => hosts.start(slot)?,
            Fault::Leave => hosts.terminate(slot, Then::Empty),
        }
        *self.struck.entry(fault).or_default() += 1;
        self.last = Instant::now();
        Ok(())
    }

    fn pick(&mut self) -> Fault {
        let mut ticket = self.chance.u32(0..100);
        for (fault, share) in MIX {
            match ticket.checked_sub(share) {
                Some(rest) => ticket = rest,
                None => return fault,
            }
        }
        Fault::Kill
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
        let awake = standing.iter().filter(|host| !host.busy).count();
        let may = |host: &&Standing| !host.busy && (early || host.works) && (awake > 1 || self.hosts == 1);
        let candidates: Vec<usize> = standing.iter().filter(may).map(|host| host.slot).collect();
        (!candidates.is_empty()).then(|| candidates[self.chance.usize(0..candidates.len())])
    }
}
