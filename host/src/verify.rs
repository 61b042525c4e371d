//! The guarantee suite on brokers of the user's: are the promises kept here, whatever strikes?
//!
//! ```text
//!            ┌── writer ──► in ──► hosts (child processes) ──► out, dead letters, error events ──► reader ──┐
//!  workload ─┤                       ▲  │ journals                                                          ├─► history ─► judge
//!            └── faults ─────────────┘  └───────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Everything that a run makes at the brokers carries its id, and is removed at the end.

mod faults;
mod figures;
mod found;
mod history;
mod hosts;
mod judgement;
mod kafka;
mod report;
mod simulated;
mod sqs;
mod stage;
mod workload;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use faults::Fault;
pub use figures::Figures;
pub use report::{Course, Foreign, Line, Messages, Report, Verdict};
pub use simulated::Simulated;

use crate::config::Config;
use crate::exit::{Exit, Problem};
use faults::Faults;
use found::Found;
use history::World;
use hosts::Hosts;
use stage::{Names, Stage};
use workload::{Broker, Workload};

/// The file in a run's folder that says how it went.
const COURSE: &str = "course.json";

/// Between two looks at the hosts.
const LOOK: Duration = Duration::from_millis(100);

/// At the end: when nothing has moved for this long, what is left is left.
const STALL: Duration = Duration::from_secs(90);

/// How long a broker may have no answer.
const BUSY: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The sections `kafka` and `sqs` of a configuration, one of them at least.
    pub sections: toml::Table,
    /// Messages to write.
    pub messages: u64,
    /// Faults to strike the hosts with.
    pub faults: u32,
    /// Decides what is in the messages, and which fault strikes whom.
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

/// A run: its names at the brokers, and its folder.
pub struct Run {
    plan: Plan,
    workload: Workload,
    folder: PathBuf,
    hosts: Hosts,
    stage: Stage,
    kafka: Option<Arc<kafka::Reader>>,
    config: Config,
    /// Messages that the brokers have, as far as that is known.
    written: Arc<AtomicU64>,
}

impl Run {
    /// Chooses an id, writes what the hosts need, and makes topics and queues.
    ///
    /// # Errors
    /// When a section is wrong, a broker cannot be reached, or something cannot be made.
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
        // Joining hosts have slots of their own.
        let hosts = Hosts::new(folder.clone(), &plan.sections, &names, plan.hosts + 2)?;
        let environment = |name: &str| std::env::var(name).ok();
        let config = Config::load(&folder.join(hosts::FIRST), &environment).map_err(|errors| configured(&errors))?;
        let kafka = config.kafka.as_ref().map(|kafka| kafka::Reader::new(kafka, &names).map(Arc::new)).transpose()?;
        let workload = Workload {
            seed: plan.seed,
            messages: plan.messages,
            kafka: config.kafka.is_some(),
            sqs: config.sqs.is_some(),
        };
        let stage = Stage::new(config.kafka.as_ref(), config.sqs.as_ref(), names).await?;
        let run = Self { plan, workload, folder, hosts, stage, kafka, config, written: Arc::default() };
        if let Err(problem) = run.stage.make().await {
            // What is there already is of no use alone.
            let _ = run.stage.remove().await;
            return Err(problem.into());
        }
        Ok(run)
    }

    /// Its id, which stands in all names.
    pub fn id(&self) -> &str {
        self.stage.names.id()
    }

    /// What the names of all its topics and queues begin with.
    pub fn name(&self) -> &str {
        &self.stage.names.stem
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
        let judged = blocking(move || judgement::judge(&folder, &config)).await?;
        Ok(Report::new(course, &judged, Some(simulated)))
    }

    /// Removes topics, queues and group.
    ///
    /// # Errors
    /// When a broker cannot be reached, or refuses.
    pub async fn remove(&self) -> Result<(), Problem> {
        self.stage.remove().await
    }

    async fn work(&mut self, progress: &watch::Sender<Progress>) -> Result<Course, Problem> {
        let begun = Instant::now();
        let (allowed, may) = watch::channel(0);
        let produced = World::create(&self.folder, "produced")?;
        let writer = Writer::new(self, produced, may).await?;
        // Handlers and rebalances need no event loop of ours, so the writer shares this one.
        let mut writing = std::pin::pin!(writer.write());
        let mut written = false;
        let mut world = World::create(&self.folder, "world")?;
        let mut faults = Faults::new(self.plan.seed, self.plan.faults, self.plan.messages, self.plan.hosts);
        self.hosts.fill(self.plan.hosts)?;
        while !written || !faults.over() {
            tokio::select! {
                result = &mut writing, if !written => {
                    result?;
                    written = true;
                }
                () = tokio::time::sleep(LOOK) => {
                    self.hosts.look(&mut world).await?;
                    let done = self.written.load(Ordering::Relaxed).saturating_sub(self.left().await?);
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
        while !self.hosts.standing().is_empty() {
            tokio::time::sleep(LOOK).await;
            self.hosts.look(&mut world).await?;
        }
        world.flush()?;
        let sqs = (0..self.plan.messages).filter(|number| self.workload.broker(*number) == Broker::Sqs).count() as u64;
        Ok(Course {
            name: self.name().to_owned(),
            seed: self.plan.seed,
            hosts: self.plan.hosts,
            messages: Messages { kafka: self.plan.messages - sqs, sqs },
            faults: faults.struck().clone(),
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
            let (settled, left) = (self.hosts.settled(), self.left().await?);
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

    /// Messages that are not acknowledged. A broker that is busy with itself is asked again.
    async fn left(&self) -> Result<u64, Problem> {
        let until = Instant::now() + BUSY;
        loop {
            match self.ask_left().await {
                Err(_) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                left => return left,
            }
        }
    }

    async fn ask_left(&self) -> Result<u64, Problem> {
        let mut left = 0;
        if let Some(kafka) = self.kafka.clone() {
            let outstanding = blocking(move || kafka.outstanding()).await?;
            left += outstanding.iter().map(|(_, next, end)| (end - next).unsigned_abs()).sum::<u64>();
        }
        if let Some(sqs) = &self.stage.sqs {
            left += sqs::outstanding(sqs, &self.stage.names).await?.total();
        }
        Ok(left)
    }

    async fn read(&self) -> Result<Foreign, Problem> {
        let mut found = Found::new(World::create(&self.folder, "found")?);
        if let Some(kafka) = self.kafka.clone() {
            let workload = self.workload;
            found = blocking(move || kafka.read(&workload, &mut found).map(|()| found)).await?;
        }
        if let Some(sqs) = &self.stage.sqs {
            sqs::read(sqs, &self.stage.names, &self.workload, &mut found).await?;
        }
        found.close()
    }
}

/// Writes the messages, as many as are allowed so far.
struct Writer {
    workload: Workload,
    kafka: Option<kafka::Writer>,
    sqs: Option<sqs::Writer>,
    produced: World,
    allowed: watch::Receiver<u64>,
    written: Arc<AtomicU64>,
}

impl Writer {
    async fn new(run: &Run, produced: World, allowed: watch::Receiver<u64>) -> Result<Self, Problem> {
        let names = &run.stage.names;
        let kafka = run.config.kafka.as_ref().map(|kafka| kafka::Writer::new(kafka, names)).transpose()?;
        let sqs = match &run.stage.sqs {
            Some(client) => Some(sqs::Writer::new(client, names).await?),
            None => None,
        };
        Ok(Self { workload: run.workload, kafka, sqs, produced, allowed, written: Arc::clone(&run.written) })
    }

    async fn write(mut self) -> Result<(), Problem> {
        // All is told as if it had been there at the start: what a host says of a record comes later in any case.
        let start = hosts::now();
        let mut number = 0;
        while number < self.workload.messages {
            let allowed = (*self.allowed.borrow_and_update()).min(self.workload.messages);
            while number < allowed {
                let message = self.workload.message(number);
                match (self.workload.broker(number), &mut self.kafka, &mut self.sqs) {
                    (Broker::Kafka, Some(kafka), _) => kafka.write(&message, start, &mut self.produced).await?,
                    (Broker::Sqs, _, Some(sqs)) => sqs.write(number, message, start, &mut self.produced).await?,
                    _ => unreachable!("a message goes where there is a broker"),
                }
                number += 1;
            }
            if let Some(kafka) = &mut self.kafka {
                kafka.arrive(start, &mut self.produced).await?;
            }
            if let Some(sqs) = &mut self.sqs {
                sqs.arrive(start, &mut self.produced).await?;
            }
            self.written.store(number, Ordering::Relaxed);
            if number < self.workload.messages && self.allowed.changed().await.is_err() {
                return Ok(());
            }
        }
        self.produced.flush()
    }
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
    let config = Config::load(&folder.join(hosts::FIRST), &environment).map_err(|errors| configured(&errors))?;
    Ok(Report::new(course, &judgement::judge(folder, &config)?, None))
}

/// Removes what a run that was killed has left at the brokers, by the id in its names.
///
/// # Errors
/// When a broker cannot be reached, or refuses.
pub async fn remove(sections: &toml::Table, id: &str) -> Result<(), Vec<Problem>> {
    let names = Names::of(id);
    let environment = |name: &str| std::env::var(name).ok();
    let text = hosts::configuration(sections, &names, 1).to_string();
    let config = Config::parse(&text, Path::new(""), &environment).map_err(|errors| configured(&errors))?;
    let stage = Stage::new(config.kafka.as_ref(), config.sqs.as_ref(), names).await?;
    Ok(stage.remove().await?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn configured(errors: &crate::config::Errors) -> Vec<Problem> {
    let problems = errors.problems().iter();
    problems.map(|error| Problem::new(Exit::Configuration, &*error.what, &*error.remedy).at(error.place())).collect()
}

fn unusable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Exit::Unavailable, error.to_string(), "").at(path.display().to_string())
}
