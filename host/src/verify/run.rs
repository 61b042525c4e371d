//! One run, from the first message to the judgement.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::faults::Faults;
use super::found::Found;
use super::history::World;
use super::hosts::{self, Hosts};
use super::stage::{Names, Stage};
use super::workload::{Broker, Workload};
use super::writer::Writer;
use super::{Course, Foreign, Messages, Plan, Progress, Report, Step};
use super::{configured, judgement, kafka, simulated, sqs, unusable};
use crate::config::Config;
use crate::exit::{Exit, Problem};

/// The file in a run's folder that says how it went.
pub(super) const COURSE: &str = "course.json";

/// Between two looks at the hosts.
const LOOK: Duration = Duration::from_millis(100);

/// At the end: when nothing has moved for this long, what is left is left.
const STALL: Duration = Duration::from_secs(90);

/// How long a broker may have no answer.
const BUSY: Duration = Duration::from_secs(30);

/// A run: its names at the brokers, and its folder.
pub struct Run {
    plan: Plan,
    pub(super) workload: Workload,
    folder: PathBuf,
    hosts: Hosts,
    pub(super) stage: Stage,
    kafka: Option<Arc<kafka::Reader>>,
    pub(super) config: Config,
    /// Messages that the brokers have, as far as that is known.
    pub(super) written: Arc<AtomicU64>,
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
        // Joining hosts have slots of their own.
        let hosts = Hosts::new(folder.clone(), &plan, &names, plan.hosts + 2)?;
        let environment = |name: &str| std::env::var(name).ok();
        let config = Config::load(&folder.join(hosts::FIRST), &environment).map_err(|errors| configured(&errors))?;
        let kafka = config.kafka.as_ref().map(|kafka| kafka::Reader::new(kafka, &names).map(Arc::new)).transpose()?;
        let workload = Workload {
            seed: plan.seed,
            messages: plan.messages,
            failing: plan.failing,
            kafka: config.kafka.is_some(),
            sqs: config.sqs.is_some(),
        };
        let stage = Stage::new(config.kafka.as_ref(), config.sqs.as_ref(), names).await?;
        Ok(Self { plan, workload, folder, hosts, stage, kafka, config, written: Arc::default() })
    }

    /// Its id, which stands in all names.
    pub fn id(&self) -> &str {
        self.stage.names.id()
    }

    /// What the names of all its topics and queues begin with.
    pub fn name(&self) -> &str {
        &self.stage.names.stem
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
        let judged = blocking(move || judgement::judge(&folder, &config)).await?;
        Ok(Report::new(course, &judged, Some(simulated)))
    }

    /// Removes topics, queues and group, as far as they are there.
    ///
    /// # Errors
    /// When a broker cannot be reached, or refuses.
    pub async fn remove(&self) -> Result<(), Problem> {
        self.stage.remove().await
    }

    async fn work(&mut self, progress: &watch::Sender<Progress>) -> Result<Course, Problem> {
        progress.send_modify(|progress| progress.step = Step::Prepare);
        self.stage.make().await?;
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
            delivery: self.plan.delivery,
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

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
