//! Seeded histories: one by its seed, or many with the first that breaks a promise.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cofferdam_core::Order;
use cofferdam_core::breaker::Breaker;
use cofferdam_core::envelope::Envelope;
use cofferdam_core::machine::Machine;
use cofferdam_core::retry::Retry;
use cofferdam_core::route::{Bounds, Guarantee, Route};
use cofferdam_core::source::SourceTraits;
use cofferdam_core::verdict::{Policy, Unrouted};

use super::poison::{LIMIT, Poison};
use super::{World, queue_route, route, unleased_route};
use crate::{Fact, Report};

/// What the histories have in common. Everything else is decided by the seed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Things that happen before the calm.
    pub steps: u32,
    /// Of all routes, where it is not for the seed to decide; those of exactly once read a topic.
    pub delivery: Option<Guarantee>,
    /// Done to each new machine: tests break it here.
    pub prepare: fn(&mut Machine),
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 300, delivery: None, prepare: |_| {} }
    }
}

/// One history, from its first fact to its judgement.
#[derive(Debug)]
pub struct Run {
    /// Decides over everything.
    pub seed: u64,
    /// What kind of world it was, for people.
    pub setting: String,
    /// All that happened, in order.
    pub facts: Vec<Fact>,
    /// What the judge says.
    pub report: Report,
    /// Why it could not go on: the machine or the world found something that must not be.
    pub broke_off: Option<String>,
}

/// How far many histories have come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Histories so far.
    pub histories: u64,
    /// Of them with a broken promise.
    pub broken: u64,
}

/// Many histories together.
#[derive(Debug, Default)]
pub struct Total {
    /// How many.
    pub histories: u64,
    /// Of them with a broken promise.
    pub broken: u64,
    /// All reports together.
    pub report: Report,
    /// The first history with a broken promise.
    pub first_broken: Option<Run>,
}

/// Lives through the history of this seed. The same seed gives the same history in the same build.
pub fn simulate(seed: u64, options: &Options) -> Run {
    let mut dice = fastrand::Rng::with_seed(seed);
    let (route, hosts) = some_route(&mut dice, options.delivery);
    let able = &route.source;
    let source = match (able.acknowledges_each(), able.lease, able.counts_deliveries) {
        (false, ..) => "topic",
        (true, Some(_), _) => "queue",
        (true, None, true) => "queue without leases",
        (true, None, false) => "queue without leases that counts no deliveries",
    };
    let redrive = able.max_receives;
    let mut setting = format!(
        "{hosts} hosts on a {source}{}, {:?}, order by {:?}, {} attempts at once, {} messages and {} bytes in flight{}",
        redrive.map_or_else(String::new, |most| format!(" that moves away what was received {most} times")),
        route.delivery,
        route.order,
        route.concurrency,
        route.bounds.messages,
        route.bounds.bytes,
        if route.suppress_duplicates { ", duplicates suppressed" } else { "" }
    );
    let poison = Poison { share: [0, 0, 0, 0, 10, 50, 90][dice.usize(0..7)], salt: dice.u64(..) };
    if poison.share > 0 {
        write!(setting, ", {} % bad messages", poison.share).expect("a string takes it");
    }
    let mut world = World::prepared(route, dice.u64(..), hosts, options.prepare);
    world.poison = poison;
    if poison.share > 0 {
        world.history.expect_ends(LIMIT);
    }
    world.meddled = dice.u32(0..3) == 0;
    world.operated = dice.u32(0..3) == 0;
    let lived = catch_unwind(AssertUnwindSafe(|| world.live(options.steps)));
    let broke_off = match lived {
        Ok(end) => end.err().map(str::to_owned),
        Err(panic) => Some(text_of(panic.as_ref())),
    };
    let (facts, judge) = world.history.into_parts();
    Run { seed, setting, facts, report: judge.finish(), broke_off }
}

/// Lives through the histories of the seeds from `first` on, until `enough` says so, which is asked before each.
pub fn simulate_many(first: u64, options: &Options, mut enough: impl FnMut(Progress) -> bool) -> Total {
    let mut total = Total::default();
    while !enough(Progress { histories: total.histories, broken: total.broken }) {
        let run = simulate(first.wrapping_add(total.histories), options);
        total.histories += 1;
        total.report.add(&run.report);
        if !run.is_kept() {
            total.broken += 1;
            total.first_broken.get_or_insert(run);
        }
    }
    total
}

fn some_route(dice: &mut fastrand::Rng, delivery: Option<Guarantee>) -> (Route, usize) {
    let route = match dice.u32(0..8) {
        _ if delivery == Some(Guarantee::ExactlyOnce) => route(),
        0..3 => route(),
        3..6 => queue_route(),
        _ => unleased_route(dice.bool()),
    };
    // A queue has no partitions.
    let orders = [Order::Key, Order::None, Order::Partition];
    let orders = &orders[..if route.source.acknowledges_each() { 2 } else { 3 }];
    let unrouted = if dice.bool() { Unrouted::Ignore } else { Unrouted::DeadLetter };
    let order = orders[dice.usize(0..orders.len())];
    let concurrency = dice.u32(1..6);
    let bounds = Bounds { messages: dice.u32(1..40), bytes: dice.u64(1..4_000) };
    let retry = Retry { max_attempts: dice.u32(1..6), ..route.policy.retry.clone() };
    let policy = Policy { unrouted, retry, ..route.policy.clone() };
    let delivery = match dice.u32(0..10) {
        _ if delivery.is_some() => delivery.unwrap_or_default(),
        0..2 => Guarantee::AtMostOnce,
        2..4 if route.source.transactions => Guarantee::ExactlyOnce,
        _ => Guarantee::AtLeastOnce,
    };
    let suppress_duplicates = delivery == Guarantee::AtLeastOnce && dice.u32(0..4) == 0;
    let envelope = if suppress_duplicates { Envelope::CloudEvents } else { Envelope::Raw };
    // One queue in two moves away what was received too often.
    let max_receives = dice.bool().then(|| dice.u32(1..6)).filter(|_| route.source.counts_deliveries);
    let source = SourceTraits { max_receives, ..route.source };
    let breaker = some_breaker(dice, route.breaker.clone());
    // With little room for it, what travels with a commit fills up in a short history too.
    let commit_metadata = if dice.bool() { route.commit_metadata } else { dice.usize(100..300) };
    let route = Route {
        order,
        concurrency,
        bounds,
        policy,
        delivery,
        suppress_duplicates,
        commit_metadata,
        envelope,
        breaker,
        source,
        ..route
    };
    (route, dice.usize(1..4))
}

/// Most routes have it as it is by default; on some a little opens the circuit, on some nothing does.
fn some_breaker(dice: &mut fastrand::Rng, off: Breaker) -> Breaker {
    match dice.u32(0..4) {
        0..2 => Breaker::default(),
        2 => off,
        _ => Breaker {
            failures: dice.u32(0..6),
            dead_letters: dice.u32(0..4),
            window: Duration::from_secs(dice.u64(1..600)),
            probe_after: Duration::from_millis(dice.u64(0..60_000)),
            probes: dice.u32(1..3),
        },
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

impl World {
    /// Nothing else than a refused letter can keep anybody waiting for long: no circuit, and room to note what was tried.
    fn can_be_quarantined(&self) -> bool {
        let breaker = &self.route.breaker;
        let has_circuit = breaker.failures > 0 || breaker.dead_letters > 0;
        !has_circuit && self.route.commit_metadata == cofferdam_core::progress::LIMIT
    }

    /// A storm, a calm, and the end. Says what did not come to its end.
    fn live(&mut self, steps: u32) -> Result<(), &'static str> {
        for _ in 0..steps {
            self.step();
        }
        if self.dice.bool() && self.can_be_quarantined() {
            self.quarantine();
        }
        let settled = self.calm_down();
        let stopped = settled && self.stop_all();
        self.read();
        match (settled, stopped) {
            (false, _) => Err("a calm world does not come to its end"),
            (true, false) => Err("a host in a calm world does not stop"),
            (true, true) => Ok(()),
        }
    }
}

impl Run {
    /// Whether every promise was kept.
    pub fn is_kept(&self) -> bool {
        self.report.is_kept() && self.broke_off.is_none()
    }

    /// The command that shows this history again.
    pub fn command(&self) -> String {
        format!("SEED={} cargo test -p cofferdam-guarantees --test histories replay -- --nocapture", self.seed)
    }
}

/// The whole history, what is wrong with it, and how to see it again.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.setting)?;
        for fact in &self.facts {
            writeln!(f, "  {fact}")?;
        }
        if let Some(why) = &self.broke_off {
            writeln!(f, "BROKE OFF  {why}")?;
        }
        writeln!(f, "{}", self.report)?;
        write!(f, "again: {}", self.command())
    }
}
