//! Real brokers on 127.0.0.1, one of each kind for all test processes with the same target folder.
//!
//! The first process that needs a broker starts it under `keep.sh`, which ends it when nobody has used it for
//! [`LINGER`]. Cargo runs one test file after the other, so the files share a broker without coordination. Tests use
//! unique names ([`crate::unique`]) to stay independent.

mod means;

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::Need;
use crate::cargo;
use crate::local::free_port;
pub(crate) use means::Java;
use means::Means;

/// How long a broker keeps running after its last user.
const LINGER: Duration = Duration::from_secs(60);
/// How long a broker may take until it answers on a busy machine.
const START: Duration = Duration::from_secs(120);
/// How long another process may take to download and start the broker that this process waits for.
const OTHERS: Duration = Duration::from_secs(900);
/// Time between two checks.
const PAUSE: Duration = Duration::from_millis(50);

/// A kind of broker: its files, its start command, and its readiness check.
pub(crate) struct Server {
    /// Name and version, for messages.
    pub(crate) title: &'static str,
    /// Name and version, as a folder name.
    pub(crate) folder: &'static str,
    /// Its jars and their dependencies, as `group:artifact:version`.
    pub(crate) artifacts: &'static [&'static str],
    /// Its container image, for machines without Maven.
    pub(crate) image: &'static str,
    /// Writes its files and returns the arguments for `java` (memory, main class, files). May run `java` itself.
    pub(crate) java: fn(&Site, &Java) -> Result<Vec<String>, String>,
    /// Writes its files and returns the arguments for `docker run` before the image.
    pub(crate) docker: fn(&Site) -> Result<Vec<String>, String>,
    /// Returns whether it answers on this port.
    pub(crate) answers: fn(u16) -> bool,
}

/// The files and ports of one running broker.
pub(crate) struct Site {
    /// An empty folder, removed when the broker ends.
    pub(crate) folder: PathBuf,
    /// The port for clients.
    pub(crate) port: u16,
    /// A second port, for the internal communication of the broker.
    pub(crate) inner_port: u16,
}

/// A use of a broker. The broker keeps running while this exists.
pub(crate) struct Lease {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    _users: File,
}

/// Finds the running broker, or downloads and starts it.
///
/// # Errors
/// [`Need::Missing`] if this machine has neither Java and Maven nor Docker, or cannot download; [`Need::Broken`] if the
/// broker does not start.
pub(crate) fn lease(server: &Server) -> Result<Lease, Need> {
    let home = cargo::target().join("brokers").join(server.folder);
    let broken = |error: std::io::Error| Need::Broken(format!("{}: {}: {error}", server.title, home.display()));
    fs::create_dir_all(&home).map_err(broken)?;
    let users = open(&home.join("users")).map_err(broken)?;
    let start = open(&home.join("start")).map_err(broken)?;
    lock(&start).map_err(|error| Need::Broken(format!("{}: {error}", server.title)))?;
    // From here until `start` is dropped, no other process starts or ends this broker.
    users.lock_shared().map_err(broken)?;
    let running = fs::read_to_string(home.join("run")).ok().and_then(|run| run.split(' ').next()?.parse().ok());
    if let Some(port) = running.filter(|port| (server.answers)(*port)) {
        return Ok(Lease { port, _users: users });
    }
    let means = Means::find(server, &home)?;
    let port = bring_up(server, &means, &home).map_err(|how| Need::Broken(format!("{}: {how}", server.title)))?;
    Ok(Lease { port, _users: users })
}

/// Returns Java with the jars of the broker, for a broker that a test starts itself.
///
/// # Errors
/// [`Need::Missing`] if this machine has no Java, or if the jars are not available.
pub(crate) fn java(server: &Server) -> Result<Java, Need> {
    let home = cargo::target().join("brokers").join(server.folder);
    let broken = |error: std::io::Error| Need::Broken(format!("{}: {}: {error}", server.title, home.display()));
    fs::create_dir_all(&home).map_err(broken)?;
    let start = open(&home.join("start")).map_err(broken)?;
    lock(&start).map_err(|error| Need::Broken(format!("{}: {error}", server.title)))?;
    means::java(server, &home).map_err(|why| Need::Missing(format!("no {} of a test's own: {why}", server.title)))
}

/// Starts the broker and returns its port as soon as it answers.
fn bring_up(server: &Server, means: &Means, home: &Path) -> Result<u16, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let instance = format!("{now:x}-{}", std::process::id());
    let site = Site { folder: home.join(&instance), port: free_port(), inner_port: free_port() };
    fs::create_dir_all(&site.folder).map_err(|error| error.to_string())?;
    let command = means.command(server, &site)?;
    let keeper = keep(home, &instance, &command).map_err(|error| format!("sh could not be started: {error}"))?;
    until_it_answers(server, keeper, &site)?;
    // Write to a temporary file and rename it, so that no process reads an incomplete file.
    let aside = site.folder.join("run");
    let written =
        fs::write(&aside, format!("{} {instance}\n", site.port)).and_then(|()| fs::rename(&aside, home.join("run")));
    written.map_err(|error| error.to_string())?;
    Ok(site.port)
}

/// Starts the broker under the shell script that ends it when it has no more users.
fn keep(home: &Path, instance: &str, command: &[String]) -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt;
    Command::new("sh")
        .args(["-c", include_str!("servers/keep.sh"), "keep.sh"])
        .arg(home)
        .args([instance, &LINGER.as_secs().to_string()])
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in the terminal should end the tests, but keep the broker for the next run.
        .process_group(0)
        .spawn()
}

fn until_it_answers(server: &Server, mut keeper: Child, site: &Site) -> Result<(), String> {
    let deadline = Instant::now() + START;
    loop {
        if (server.answers)(site.port) {
            return Ok(());
        }
        let ended = keeper.try_wait().map_err(|error| error.to_string())?.is_some();
        if ended || Instant::now() > deadline {
            let last = site.folder.with_file_name("last.log");
            let log = if ended { last } else { site.folder.join("log") };
            let said = fs::read_to_string(log).unwrap_or_default();
            let state = if ended { "ended at once" } else { "does not answer" };
            return Err(format!("it {state}; the end of its log:\n{}", tail(&said, 2000)));
        }
        std::thread::sleep(PAUSE);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// Takes the lock. Waits for other test processes, and prints a line if that takes long.
fn lock(file: &File) -> Result<(), String> {
    let started = Instant::now();
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(format!("no lock: {error}")),
            Err(TryLockError::WouldBlock) if started.elapsed() > OTHERS => {
                return Err(format!("another process has been starting it for {OTHERS:?}"));
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !said && started.elapsed() > Duration::from_secs(10) {
            said = true;
            let _ = writeln!(std::io::stderr(), "waiting for another test process that brings up a broker");
        }
        std::thread::sleep(PAUSE);
    }
}

/// Returns the last `bytes` of a text, from the next character boundary on.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[from..]
}
