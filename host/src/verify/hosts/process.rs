//! One process of a host.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::tail::Tail;
use crate::exit::{Exit, Problem};
use crate::telemetry::log::VARIABLE;
use crate::verify::Figures;

/// `cofferdam run`, killed when this is dropped.
pub(super) struct Process {
    /// Which of the run, from 1: the host of its facts.
    pub(super) number: u32,
    /// What it says.
    pub(super) log: PathBuf,
    child: Child,
    /// It was sent a signal that ends it.
    told: bool,
    journal: PathBuf,
    tail: Option<Tail>,
}

/// How a process ended.
pub(super) enum Ended {
    /// As it was told.
    Expected,
    /// Otherwise.
    Failed(ExitStatus),
}

impl Process {
    pub(super) fn start(folder: &Path, configuration: &Path, number: u32) -> Result<Self, Problem> {
        let failed = |error| Problem::new(Exit::Unavailable, format!("failed to start a host: {error}"), "");
        let journal = folder.join(super::super::history::journal_name(number));
        let log = folder.join(format!("host-{number:05}.log"));
        let file = File::create(&log).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("run").arg("--config").arg(configuration).arg("--journal").arg(&journal).arg("--json");
        command.stdin(Stdio::null()).stdout(file.try_clone().map_err(failed)?).stderr(file);
        // Not with us at Ctrl-C: we end them.
        command.process_group(0).kill_on_drop(true);
        if std::env::var_os(VARIABLE).is_none() {
            command.env(VARIABLE, "warn,cofferdam::delivery=error");
        }
        // Guests trap by the thousand here.
        command.env("RUST_LIB_BACKTRACE", "0");
        let child = command.spawn().map_err(failed)?;
        Ok(Self { number, log, child, told: false, journal, tail: None })
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        if matches!(signal, Signal::KILL | Signal::TERM) {
            self.told = true;
        }
        if let Some(id) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(id, signal); // ending at this very moment is no fault
        }
    }

    pub(super) async fn wait(&mut self) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        let Ok(status) = self.child.wait().await else { return Ended::Expected };
        // One that is told before it listens ends at once, like one that was killed.
        let told = self.told && (status.signal().is_some() || status.success() || drained(status));
        if told { Ended::Expected } else { Ended::Failed(status) }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Reads its journal on and measures it.
    pub(super) fn look(&mut self, figures: &mut Figures) -> Result<(), Problem> {
        if let Some(id) = self.child.id() {
            figures.measure(id);
        }
        if self.tail.is_none() && self.journal.exists() {
            self.tail = Some(Tail::open(&self.journal).map_err(|error| self.unreadable(&error))?);
        }
        let looked = self.tail.as_mut().map_or(Ok(()), Tail::look);
        looked.map_err(|error| self.unreadable(&error))
    }

    pub(super) fn settled(&self) -> u64 {
        self.tail.as_ref().map_or(0, |tail| tail.settled)
    }

    pub(super) fn started(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.started)
    }

    pub(super) fn works(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.works)
    }

    pub(super) fn stopped(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.stopped)
    }

    fn unreadable(&self, error: &std::io::Error) -> Problem {
        let what = format!("failed to read the journal: {error}");
        Problem::new(Exit::Unavailable, what, "").at(self.journal.display().to_string())
    }
}

/// It says that it left something unfinished, which comes again.
fn drained(status: ExitStatus) -> bool {
    status.code() == Some(Exit::TryAgain as i32)
}
