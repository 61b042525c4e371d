//! The hosts of a run: child processes of this same binary, each with a journal of its own.

mod configuration;
mod handler;
mod process;
mod tail;

use std::ops::Add;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_guarantees::What;
use rustix::process::Signal;

use super::history::World;
use super::network::{Network, NetworkEffects};
use super::{Fault, Figures, Plan};
use crate::broker::verify::Names;
use crate::exit::{Exit, Problem};
pub(super) use configuration::{DIRECT, configuration, write_direct};
use process::{Ended, Process};

/// How long a process may take to drain: its own limit, and some time for its brokers.
const DRAIN: Duration = Duration::from_secs(40);

/// A fault of the network that has met nothing when its time is over (a host that has nothing to do has nothing to ask)
/// lasts at most this much longer.
const UNMET: Duration = Duration::from_secs(10);

/// So many processes that ended by themselves, and there is nothing to be verified.
const HOPELESS: usize = 20;

/// Hosts at work in their slots. A slot outlives the processes that fill it one after the other: it is what an
/// installation would call a machine.
pub(super) struct Hosts {
    folder: PathBuf,
    slots: Vec<Slot>,
    /// Processes started so far; they are numbered from 1.
    started: u32,
    /// Messages brought to their end by processes that have ended.
    settled: u64,
    figures: Figures,
    /// Processes that ended and should not have.
    failures: Vec<String>,
}

struct Slot {
    configuration: PathBuf,
    process: Option<Process>,
    /// Stopped by a signal until then.
    paused: Option<Instant>,
    /// Its way to the brokers, where faults can strike it, and until when one does; whether bytes get through meanwhile.
    network: Option<Network>,
    troubled: Option<(Instant, Passage)>,
    /// Told to drain: how long that may take, and what comes then.
    ending: Option<(Instant, AfterExit)>,
}

impl Slot {
    fn is_to_heal(&self) -> bool {
        let Some((until, _)) = self.troubled else { return false };
        let met = self.network.as_ref().is_none_or(Network::has_met);
        until + if met { Duration::ZERO } else { UNMET } <= Instant::now()
    }
}

/// What becomes of a slot when its process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterExit {
    /// Another process.
    Start,
    /// Nothing.
    Empty,
}

/// What a fault of the network leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// The host can work.
    Some,
    /// It cannot.
    None,
}

/// A host that a fault may strike.
pub(super) struct Target {
    pub(super) slot: usize,
    /// It is past its start, at which it ends where a queue cannot be looked up.
    pub(super) started: bool,
    /// It has received messages since it was started.
    pub(super) works: bool,
    /// A fault lasts, or it is about to end.
    pub(super) busy: bool,
    /// It can work.
    pub(super) awake: bool,
}

impl Hosts {
    /// Writes what all hosts need; starts none. Each slot has a network, or none where no proxy can be between.
    pub(super) fn new(
        folder: PathBuf,
        plan: &Plan,
        names: &Names,
        networks: Vec<Option<Network>>,
    ) -> Result<Self, Problem> {
        configuration::write_handler(&folder)?;
        let slots = networks.into_iter().zip(1..).map(|(network, number)| {
            let sections = network.as_ref().map_or_else(|| plan.sections.clone(), |it| it.sections(&plan.sections));
            let configuration = configuration::write(&folder, &sections, plan.delivery, names, number)?;
            Ok(Slot { configuration, process: None, paused: None, network, troubled: None, ending: None })
        });
        let slots = slots.collect::<Result<_, Problem>>()?;
        Ok(Self { folder, slots, started: 0, settled: 0, figures: Figures::default(), failures: Vec::new() })
    }

    pub(super) fn have_begun(&self) -> bool {
        self.started > 0
    }

    /// Starts processes in empty slots until there are so many.
    pub(super) fn fill(&mut self, hosts: usize) -> Result<(), Problem> {
        while self.targets().len() < hosts
            && let Some(slot) = self.free()
        {
            self.start(slot)?;
        }
        Ok(())
    }

    /// Kills what is there.
    pub(super) async fn kill_all(&mut self) {
        for slot in &mut self.slots {
            if let Some(mut process) = slot.process.take() {
                process.signal(Signal::KILL);
                let _ = process.wait().await;
            }
        }
    }

    /// Tells all processes to drain.
    pub(super) fn terminate_all(&mut self) {
        self.targets().iter().for_each(|host| self.terminate(host.slot, AfterExit::Empty));
    }

    /// The slots with a process in them.
    pub(super) fn targets(&self) -> Vec<Target> {
        let filled = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, it)| it.process.as_ref().map(|process| (slot, it, process)));
        let targets = filled.map(|(slot, it, process)| {
            let gone = it.paused.is_some() || it.ending.is_some();
            let cut_off = it.troubled.is_some_and(|(_, passage)| passage == Passage::None);
            let busy = gone || it.troubled.is_some();
            Target { slot, started: process.started(), works: process.works(), busy, awake: !gone && !cut_off }
        });
        targets.collect()
    }

    /// The first slot without a process.
    pub(super) fn free(&self) -> Option<usize> {
        self.slots.iter().position(|slot| slot.process.is_none())
    }

    /// Receipts that were brought to their end, by all processes so far; a message that was repeated counts again.
    pub(super) fn settled(&self) -> u64 {
        self.settled + self.slots.iter().filter_map(|slot| slot.process.as_ref()).map(Process::settled).sum::<u64>()
    }

    /// What the processes have used so far.
    pub(super) fn figures(&self) -> Figures {
        self.figures
    }

    /// What faults of the network did so far.
    pub(super) fn struck(&self) -> NetworkEffects {
        self.slots
            .iter()
            .filter_map(|slot| slot.network.as_ref())
            .map(Network::struck)
            .fold(NetworkEffects::default(), Add::add)
    }

    /// Processes that ended although nobody had told them to.
    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Starts a process in an empty slot.
    pub(super) fn start(&mut self, slot: usize) -> Result<(), Problem> {
        self.started += 1;
        let process = Process::start(&self.folder, &self.slots[slot].configuration, self.started)?;
        self.slots[slot].process = Some(process);
        Ok(())
    }

    /// Kills a process, as a crash would.
    pub(super) async fn kill(&mut self, slot: usize, world: &mut World) -> Result<(), Problem> {
        self.signal(slot, Signal::KILL);
        self.end(slot, world).await
    }

    /// Tells a process to drain. Its slot is empty, or filled anew, some time after it has ended.
    pub(super) fn terminate(&mut self, slot: usize, then: AfterExit) {
        self.resume(slot);
        self.heal(slot);
        match &mut self.slots[slot].ending {
            // Who is told twice ends at once.
            Some((_, later)) => *later = then,
            ending => {
                *ending = Some((Instant::now() + DRAIN, then));
                self.signal(slot, Signal::TERM);
            }
        }
    }

    /// Stops a process where it is, for this long.
    pub(super) fn pause(&mut self, slot: usize, length: Duration) {
        self.signal(slot, Signal::STOP);
        self.slots[slot].paused = Some(Instant::now() + length);
    }

    /// Lets a fault strike the network of a slot, for this long.
    pub(super) fn trouble(&mut self, slot: usize, fault: Fault, length: Duration, passage: Passage) {
        if let Some(network) = &self.slots[slot].network {
            network.strike(fault);
            self.slots[slot].troubled = Some((Instant::now() + length, passage));
        }
    }

    fn heal(&mut self, slot: usize) {
        let troubled = self.slots[slot].troubled.take().is_some();
        if let Some(network) = self.slots[slot].network.as_ref().filter(|_| troubled) {
            network.heal();
        }
    }

    fn resume(&mut self, slot: usize) {
        if self.slots[slot].paused.take().is_some() {
            self.signal(slot, Signal::CONT);
        }
    }

    /// Reads the journals on, measures the processes, ends pauses and faults of the network whose time is over, and replaces
    /// processes that ended by themselves.
    pub(super) async fn look(&mut self, world: &mut World) -> Result<(), Problem> {
        for slot in 0..self.slots.len() {
            if self.slots[slot].paused.is_some_and(|until| until <= Instant::now()) {
                self.resume(slot);
            }
            if self.slots[slot].is_to_heal() {
                self.heal(slot);
            }
            let Slot { process: Some(process), ending, .. } = &mut self.slots[slot] else { continue };
            process.look(&mut self.figures)?;
            match (process.has_ended(), *ending) {
                (false, None) => {}
                (false, Some((until, _))) if Instant::now() < until => {}
                (false, Some((_, then))) => {
                    let late = format!("host {} did not exit within {} s of SIGTERM", process.number, DRAIN.as_secs());
                    self.failures.push(late);
                    self.kill(slot, world).await?;
                    self.refill(slot, then)?;
                }
                (true, Some((_, then))) => {
                    self.end(slot, world).await?;
                    self.refill(slot, then)?;
                }
                (true, None) => {
                    let (number, log) = (process.number, process.log.display());
                    self.failures.push(format!("host {number} exited unexpectedly, see {log}"));
                    self.end(slot, world).await?;
                    self.start(slot)?;
                }
            }
        }
        match self.failures.first() {
            Some(first) if self.failures.len() >= HOPELESS => {
                Err(Problem::new(Exit::Unavailable, format!("hosts exit repeatedly: {first}"), ""))
            }
            _ => Ok(()),
        }
    }

    fn refill(&mut self, slot: usize, then: AfterExit) -> Result<(), Problem> {
        if then == AfterExit::Start { self.start(slot) } else { Ok(()) }
    }

    /// Takes a process that ends out of its slot.
    async fn end(&mut self, slot: usize, world: &mut World) -> Result<(), Problem> {
        (self.slots[slot].paused, self.slots[slot].ending) = (None, None);
        let Some(mut process) = self.slots[slot].process.take() else { return Ok(()) };
        let status = process.wait().await;
        process.look(&mut self.figures)?;
        self.settled += process.settled();
        if let Ended::Failed(status) = status {
            let log = process.log.display();
            self.failures.push(format!("host {} exited with {status}, see {log}", process.number));
        }
        // What it had in memory is gone, unless it says that there was nothing any more.
        if !process.stopped() {
            world.tell(process.number, What::Killed)?;
        }
        Ok(())
    }

    fn signal(&mut self, slot: usize, signal: Signal) {
        if let Some(process) = &mut self.slots[slot].process {
            process.signal(signal);
        }
    }
}
