//! One run, from the first message to the judgement.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::faults::{Faults, Lengths};
use super::found::Found;
use super::history::World;
use super::hosts::{self, Hosts};
use super::network::{self, Network};
use super::readers::{self, Rows};
use super::stages::Stages;
use super::workload::Workload;
use super::writer::{Taken, Writer};
use super::{Course, Fault, Foreign, Plan, Progress, Report, Step};
use super::{configured, judgement, simulated, unusable};
use crate::broker;
use crate::broker::verify::Names;
use crate::config::Config;
use crate::exit::{Exit, Problem};

/// The file in a run's folder that says how it went.
pub(super) const COURSE: &str = "course.json";

/// Between two looks at the hosts.
const LOOK: Duration = Duration::from_millis(100);

/// At the end: when nothing has moved for this long, what is left is left.
const STALL: Duration = Duration::from_secs(90);

/// A run: its names at the brokers, and its folder.
pub struct Run {
    plan: Plan,
    workload: Workload,
    folder: PathBuf,
    hosts: Hosts,
    /// Faults that may strike, and which of those that were asked for cannot.
    kinds: Vec<Fault>,
    left_out: Vec<String>,
    stages: Stages,
    config: Config,
    /// Messages that the brokers have, as far as that is known.
    written: Arc<AtomicU64>,
}

impl Run {
    /// Chooses an id and writes what the hosts need; asks no broker.
    ///
    /// # Errors
    /// When a section is wrong, or a file cannot be written.
    pub async fn prepare(plan: Plan) -> Result<Self, Vec<Problem>> {
        let id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        let names = Names::of(&id);
        let folder = std::env::temp_dir().join(&names.stem);
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| unusable(&folder, &error))?;
        let prepared = Self::prepare_in(plan, names, folder.clone()).await;
        if prepared.is_err() {
            let _ = std::fs::remove_dir_all(folder); // it has nothing to tell
        }
        prepared
    }

    async fn prepare_in(plan: Plan, names: Names, folder: PathBuf) -> Result<Self, Vec<Problem>> {
        let environment = |name: &str| std::env::var(name).ok();
        let direct = hosts::write_direct(&folder, &plan, &names)?;
        let config = Config::load(&direct, &environment).map_err(|errors| configured(&errors))?;
        let (kinds, left_out) = possible(&plan, &config)?;
        // Joining hosts have slots of their own. A run without faults of the network has the brokers to itself.
        let networks = (0..plan.hosts + 2).map(|_| {
            let wanted = plan.faults > 0 && kinds.iter().any(|fault| fault.is_of_the_network());
            if wanted { Network::open(&config) } else { Ok(None) }
        });
        let networks = networks.collect::<Result<_, _>>().map_err(|error| {
            Problem::new(Exit::Unavailable, format!("failed to open a proxy on 127.0.0.1: {error}"), "")
        })?;
        let hosts = Hosts::new(folder.clone(), &plan, &names, networks)?;
        let stages = Stages::new(&config, names).await?;
        let (seed, messages, failing, queues) = (plan.seed, plan.messages, plan.failing, stages.queues());
        let workload = Workload { seed, messages, failing, logs: stages.brokers().count() - queues, queues };
        Ok(Self { plan, workload, folder, hosts, kinds, left_out, stages, config, written: Arc::default() })
    }

    /// Its id, which stands in all names.
    pub fn id(&self) -> &str {
        self.stages.names.id()
    }

    /// What the names of all its topics and queues begin with.
    pub fn name(&self) -> &str {
        &self.stages.names.stem
    }

    /// Whether a host was started.
    pub fn has_begun(&self) -> bool {
        self.hosts.have_begun()
    }

    /// Where the journals are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs to the end, or until `stop`; the hosts are gone then.
    ///
    /// # Errors
    /// When a broker or a file cannot be used; exit code 130 when it was stopped.
    pub async fn run(
        &mut self,
        progress: &watch::Sender<Progress>,
        stop: &CancellationToken,
    ) -> Result<Report, Problem> {
        let (seed, histories) = (self.plan.seed, self.plan.simulate);
        let (sender, stopper) = (progress.clone(), stop.clone());
        let simulated = blocking(move || Ok(simulated::simulate(seed, histories, &sender, &stopper))).await?;
        let ended = tokio::select! {
            ended = self.work(progress) => ended,
            () = stop.cancelled() => Err(Problem::new(Exit::Interrupted, "interrupted", "")),
        };
        if ended.is_err() {
            self.hosts.kill_all().await;
        }
        let course = ended?;
        let file = self.folder.join(COURSE);
        let text = serde_json::to_vec(&course).expect("texts and numbers are JSON");
        std::fs::write(&file, text).map_err(|error| unusable(&file, &error))?;
        progress.send_modify(|progress| progress.step = Step::Judge);
        let (folder, config) = (self.folder.clone(), self.config.clone());
        let delivery = self.plan.delivery;
        let (judged, read) =
            blocking(move || Ok((judgement::judge(&folder, &config)?, readers::check(&folder, delivery)?))).await?;
        Ok(Report::new(course, &judged, &read, Some(simulated)))
    }

    /// Removes topics, queues and group, as far as they are there.
    ///
    /// # Errors
    /// When a broker cannot be reached, or refuses.
    pub async fn remove(&self) -> Result<(), Problem> {
        self.stages.remove().await
    }

    async fn work(&mut self, progress: &watch::Sender<Progress>) -> Result<Course, Problem> {
        progress.send_modify(|progress| progress.step = Step::Prepare);
        self.stages.make().await?;
        let begun = Instant::now();
        let (allowed, may) = watch::channel(0);
        let produced = World::create(&self.folder, "produced")?;
        let taken = Taken::new(self.workload, produced, Rows::create(&self.folder, readers::WRITTEN)?);
        let writers = self.stages.writers().await?;
        let writer = Writer::new(self.workload, writers, taken, may, Arc::clone(&self.written));
        // Handlers and rebalances need no event loop of ours, so the writer shares this one.
        let mut writing = std::pin::pin!(writer.write());
        let mut written = false;
        let mut world = World::create(&self.folder, "world")?;
        let mut faults = Faults::new(&self.plan, &self.kinds, Lengths::of(&self.config));
        self.hosts.fill(self.plan.hosts)?;
        while !written || !faults.over() {
            tokio::select! {
                result = &mut writing, if !written => {
                    result?;
                    written = true;
                }
                () = tokio::time::sleep(LOOK) => {
                    self.hosts.look(&mut world).await?;
                    let done = self.written.load(Ordering::Relaxed).saturating_sub(self.stages.left().await?);
                    faults.strike(done, &mut self.hosts, &mut world).await?;
                    allowed.send_replace(faults.allowed());
                    progress.send_modify(|progress| {
                        (progress.step, progress.done, progress.faults) = (Step::Strike, done, faults.count());
                    });
                }
            }
        }
        self.settle(&mut world, progress).await?;
        let seconds = begun.elapsed().as_secs_f64();
        progress.send_modify(|progress| progress.step = Step::Read);
        self.hosts.terminate_all();
        while !self.hosts.targets().is_empty() {
            tokio::time::sleep(LOOK).await;
            self.hosts.look(&mut world).await?;
        }
        world.flush()?;
        Ok(Course {
            name: self.name().to_owned(),
            delivery: self.plan.delivery,
            seed: self.plan.seed,
            hosts: self.plan.hosts,
            messages: self.messages(),
            faults: faults.struck().clone(),
            network: self.hosts.struck(),
            left_out: self.left_out.clone(),
            seconds,
            peak: self.hosts.figures(),
            failures: self.hosts.failures().to_vec(),
            foreign: self.read().await?,
        })
    }

    /// Waits until nothing is left to do for the hosts, or nothing moves any more.
    async fn settle(&mut self, world: &mut World, progress: &watch::Sender<Progress>) -> Result<(), Problem> {
        progress.send_modify(|progress| progress.step = Step::Settle);
        let (mut last, mut moved, mut empty) = ((0, 0), Instant::now(), 0);
        loop {
            tokio::time::sleep(LOOK).await;
            self.hosts.look(world).await?;
            self.hosts.fill(self.plan.hosts)?;
            let (settled, left) = (self.hosts.settled(), self.stages.left().await?);
            progress.send_modify(|progress| progress.done = self.plan.messages.saturating_sub(left));
            // Queues count approximately: what they say has to be said more than once.
            empty = if left == 0 { empty + 1 } else { 0 };
            if (settled, left) != last {
                (last, moved) = ((settled, left), Instant::now());
            }
            if empty >= 5 || moved.elapsed() > STALL {
                return Ok(());
            }
        }
    }

    /// How many messages were for each broker; none for one that takes no part.
    fn messages(&self) -> BTreeMap<String, u64> {
        let mut messages: BTreeMap<String, u64> = broker::ALL.iter().map(|kind| (kind.name.to_owned(), 0)).collect();
        let brokers: Vec<&str> = self.stages.brokers().collect();
        for number in 0..self.plan.messages {
            *messages.entry(brokers[self.workload.broker(number)].to_owned()).or_default() += 1;
        }
        messages
    }

    async fn read(&self) -> Result<Foreign, Problem> {
        let mut found = Found::new(World::create(&self.folder, "found")?, Rows::create(&self.folder, readers::READ)?);
        self.stages.read(&self.workload, &mut found).await?;
        found.close()
    }
}

/// The kinds of faults that can strike, and in words which of those asked for cannot.
fn possible(plan: &Plan, config: &Config) -> Result<(Vec<Fault>, Vec<String>), Problem> {
    let wanted = if plan.kinds.is_empty() { Fault::ALL.to_vec() } else { plan.kinds.clone() };
    let outlasts = |fault: &Fault| fault.outlasts_timeouts();
    let mut left_out = Vec::new();
    if wanted.iter().any(|fault| fault.is_of_the_network()) {
        left_out.extend(network::left_out(config).into_iter().map(|why| format!("network faults: left out, {why}")));
    }
    let lengths = Lengths::of(config);
    let bearable = lengths.are_bearable();
    if wanted.iter().any(outlasts) && !bearable {
        left_out.push(format!("faults past every timeout: left out, a timeout in {} is too long", lengths.place));
    }
    let has_network = network::possible(config);
    let may = |fault: &Fault| (has_network || !fault.is_of_the_network()) && (bearable || !outlasts(fault));
    let kinds: Vec<Fault> = wanted.into_iter().filter(may).collect();
    if kinds.is_empty() && plan.faults > 0 {
        let remedy = "choose other kinds of faults with --inject";
        return Err(Problem::new(Exit::Usage, format!("no fault can be injected: {}", left_out.join("; ")), remedy));
    }
    Ok((kinds, left_out))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
