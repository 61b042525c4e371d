//! A broker for one test, behind a gate. The test can stop, kill and pause it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use rustix::process::Signal;
use tokio::sync::Mutex;

use super::broker::{SERVER, prepare, properties};
use super::{Kafka, answers};
use crate::local::{Local, free_port};
use crate::servers::{Java, Site};
use crate::{Gate, Need, servers};

/// Apache Kafka 4.1.1 with two listeners. The kit's own clients connect directly to the broker (this is a [`Kafka`]).
/// Clients with the address [`Private::through`] use the gate for every connection.
pub struct Private {
    kafka: Kafka,
    gate: Gate,
    server: Local,
    java: Java,
}

/// Starts a broker for this test; it ends with the test.
///
/// # Errors
/// [`Need::Missing`] if there is no Java, or if its jars are not available.
///
/// # Panics
/// The broker does not start.
pub async fn private() -> Result<Private, Need> {
    let java = servers::java(&SERVER)?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (direct, behind_gate) = (free_port(), free_port());
    let site = Site { folder: folder.path().to_owned(), port: direct, inner_port: free_port() };
    let gate = Gate::before_kafka(&format!("{}:{behind_gate}", Ipv4Addr::LOCALHOST)).await;
    let properties = with_a_gate(&site, behind_gate, gate.address().port());
    let arguments = prepare(&site.folder, &properties, &java).unwrap_or_else(|failure| panic!("{failure}"));
    let of_server = java.clone();
    let command = move || {
        let mut command = of_server.command();
        command.args(&arguments);
        command
    };
    let bootstrap = format!("{}:{direct}", Ipv4Addr::LOCALHOST);
    let up = bootstrap.clone();
    let is_up = move || std::net::TcpStream::connect(&up).is_ok() && answers(&up);
    let mut server = Local::new(SERVER.title, folder, Signal::TERM, command, is_up);
    server.start().await;
    Ok(Private { kafka: Kafka { bootstrap, _lease: None }, gate, server, java })
}

/// Returns one such broker for all tests of a process, which take turns. It ends with the last of them.
///
/// # Errors
/// As for [`private`].
///
/// # Panics
/// The broker does not start.
pub async fn private_in_turn() -> Result<Arc<Mutex<Private>>, Need> {
    static BROKER: Mutex<Weak<Mutex<Private>>> = Mutex::const_new(Weak::new());
    let mut known = BROKER.lock().await;
    if let Some(broker) = known.upgrade() {
        return Ok(broker);
    }
    let broker = Arc::new(Mutex::new(private().await?));
    *known = Arc::downgrade(&broker);
    Ok(broker)
}

/// Returns the properties of any broker of the kit, with a second listener whose advertised address is that of the
/// gate.
fn with_a_gate(site: &Site, port: u16, gate: u16) -> Vec<(&'static str, String)> {
    let data = site.folder.join("data");
    let mut all: BTreeMap<&str, String> = properties("127.0.0.1", &data, site).into_iter().collect();
    let mut append = |name, more: String| {
        let value = all.get_mut(name).expect("it is among the properties of any broker");
        value.push_str(&more);
    };
    append("listeners", format!(",GATE://127.0.0.1:{port}"));
    append("advertised.listeners", format!(",GATE://127.0.0.1:{gate}"));
    append("listener.security.protocol.map", ",GATE:PLAINTEXT".to_owned());
    // Allow every operation that no rule denies.
    all.insert("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned());
    all.insert("allow.everyone.if.no.acl.found", "true".to_owned());
    // Shorten times that a test would have to wait for.
    all.insert("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000".to_owned());
    all.into_iter().collect()
}

impl Private {
    /// Returns `host:port` for `bootstrap.servers` of clients that use the gate.
    pub fn through(&self) -> String {
        self.gate.address().to_string()
    }

    /// Returns the gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Denies everybody an operation, such as `write`, on a `topic` or a `group`. All other operations on it stay
    /// allowed.
    ///
    /// # Panics
    /// The broker does not accept the rule.
    pub async fn deny(&self, operation: &str, on: &str, name: &str) {
        self.acl(&["--add", "--allow-principal", "User:*", "--operation", "All"], on, name).await;
        self.acl(&["--add", "--deny-principal", "User:*", "--operation", operation], on, name).await;
    }

    /// Removes all denials on a `topic` or a `group`.
    ///
    /// # Panics
    /// The broker does not remove them.
    pub async fn allow(&self, on: &str, name: &str) {
        self.acl(&["--remove", "--force"], on, name).await;
    }

    async fn acl(&self, rule: &[&str], on: &str, name: &str) {
        let mut command = self.java.command();
        command.args(["-XX:+UseSerialGC", "org.apache.kafka.tools.AclCommand", "--bootstrap-server", self.bootstrap()]);
        command.args(rule).arg(format!("--{on}")).arg(name);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it does not panic");
        let output = output.unwrap_or_else(|error| panic!("java could not be started: {error}"));
        assert!(output.status.success(), "{rule:?} on {on} {name}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Stops the broker in order. Its data stays.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Kills the broker, as in a crash. Its data stays.
    pub async fn kill(&mut self) {
        self.server.kill().await;
    }

    /// Starts the broker again with the same data and ports, and waits until it answers.
    pub async fn start(&mut self) {
        self.server.start().await;
    }

    /// Stops its process (SIGSTOP); its connections stay open.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Continues its process (SIGCONT).
    pub fn resume(&self) {
        self.server.resume();
    }
}

impl Deref for Private {
    type Target = Kafka;

    fn deref(&self) -> &Kafka {
        &self.kafka
    }
}
