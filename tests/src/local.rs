//! Servers for one test. Each has its own folder and port, and can be stopped, killed, paused and started again with
//! both. They end with the test.

use std::fs::{File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::servers::tail;
use crate::{children, wait};

/// How long a server may take to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server that runs as a command in the foreground.
pub(crate) struct Local {
    title: &'static str,
    command: Box<dyn Fn() -> Command + Send + Sync>,
    answers: Box<dyn Fn() -> bool + Send + Sync>,
    stop: Signal,
    child: Option<Child>,
    log: PathBuf,
    _folder: TempDir,
}

impl Local {
    /// Creates a server that is not started yet. `answers` returns whether it is up; `stop` is the signal that stops it
    /// in order.
    pub(crate) fn new(
        title: &'static str,
        folder: TempDir,
        stop: Signal,
        command: impl Fn() -> Command + Send + Sync + 'static,
        answers: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let log = folder.path().join("log");
        Self { title, command: Box::new(command), answers: Box::new(answers), stop, child: None, log, _folder: folder }
    }

    /// Starts the server, unless it runs, and waits until it answers.
    ///
    /// # Panics
    /// The server does not start; the message contains the end of its log.
    pub(crate) async fn start(&mut self) {
        if self.child.is_some() {
            return;
        }
        let mut command = (self.command)();
        let log = File::options().create(true).append(true).open(&self.log).expect("the folder is ours");
        let errors = log.try_clone().expect("a file can be opened twice");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut child = children::spawn(command).unwrap_or_else(|error| panic!("{}: {error}", self.title));
        let began = Instant::now();
        let started =
            wait::eventually(&format!("{} answers", self.title), 2 * PATIENCE, async || match child.try_wait() {
                Ok(Some(status)) => Some(Err(format!("ended at once ({status})"))),
                _ if (self.answers)() => Some(Ok(())),
                _ if began.elapsed() > PATIENCE => Some(Err(format!("does not answer after {PATIENCE:?}"))),
                _ => None,
            })
            .await;
        if let Err(what) = started {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            panic!("{} {what}:\n{}", self.title, tail(&said, 8_000));
        }
        self.child = Some(child);
    }

    /// Stops the server in order and waits until it has ended. Its data stays.
    pub(crate) async fn stop(&mut self) {
        self.end(self.stop).await;
    }

    /// Kills the server, as in a crash. Its data stays.
    pub(crate) async fn kill(&mut self) {
        self.end(Signal::KILL).await;
    }

    /// Stops its process (SIGSTOP); its connections stay open.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues its process (SIGCONT).
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    async fn end(&mut self, signal: Signal) {
        self.signal(signal);
        // A stopped process receives a signal only after it continues.
        self.signal(Signal::CONT);
        let Some(mut child) = self.child.take() else { return };
        wait::eventually(&format!("{} has ended", self.title), PATIENCE, async || child.try_wait().ok()?).await;
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let _ = kill_process(Pid::from_child(child), signal); // it may have ended in between
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill(); // fails only if it has ended
            let _ = child.wait();
        }
    }
}

/// Returns a port that was free a moment ago. It is below those that systems give to outgoing connections (32768 on Linux),
/// one of which could take it before the server binds it.
///
/// # Panics
/// None of a hundred ports is free.
pub(crate) fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(10_000..32_000)).take(100).find(is_free).expect("one port of 100 is free")
}

/// A user other than root, for servers that refuse to run as root; `None` if the test does not run as root.
pub(crate) struct Nobody {
    user: u32,
    group: u32,
}

impl Nobody {
    /// Returns the first of these users that the machine has.
    pub(crate) fn find(names: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        names.iter().find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2).map(str::parse);
            Some(Self { user: fields.next()?.ok()?, group: fields.next()?.ok()? })
        })
    }

    /// Makes this user the owner of the folder.
    pub(crate) fn own(&self, folder: &Path) {
        std::os::unix::fs::chown(folder, Some(self.user), Some(self.group)).expect("root may give folders away");
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("root may set permissions");
    }

    /// Makes the command run as this user.
    pub(crate) fn run(&self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }
}
