//! A single node of Apache Kafka that is both controller and broker.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use super::{Kafka, answers};
use crate::Need;
use crate::servers::{Java, Server, Site, lease};

pub(super) const SERVER: Server = Server {
    title: "Apache Kafka 4.1.1",
    folder: "kafka-4.1.1",
    artifacts: &[
        "org.apache.kafka:kafka_2.13:4.1.1",
        "org.apache.kafka:kafka-tools:4.1.1",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
        "org.apache.logging.log4j:log4j-core:2.24.3",
    ],
    image: "apache/kafka:4.1.1",
    java,
    docker,
    // A metadata request takes a second if nobody listens, so check first whether the port is open.
    answers: |port| {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && answers(&format!("{}:{port}", Ipv4Addr::LOCALHOST))
    },
};

/// Returns the cluster from the environment, or the kit's own.
pub(super) fn find() -> Result<Kafka, Need> {
    if let Ok(bootstrap) = std::env::var("KAFKA_BOOTSTRAP") {
        return match answers(&bootstrap) {
            true => Ok(Kafka { bootstrap, _lease: None }),
            false => Err(Need::Broken(format!("no kafka answers at {bootstrap}, the value of KAFKA_BOOTSTRAP"))),
        };
    }
    let lease = lease(&SERVER)?;
    Ok(Kafka { bootstrap: format!("{}:{}", Ipv4Addr::LOCALHOST, lease.port), _lease: Some(lease) })
}

/// Returns the properties that differ from the defaults of Kafka: one node, small internal topics, groups that do not
/// wait for more members.
pub(super) fn properties(listen: &str, data: &Path, site: &Site) -> Vec<(&'static str, String)> {
    let Site { port, inner_port, .. } = site;
    vec![
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{inner_port}")),
        ("listeners", format!("PLAINTEXT://{listen}:{port},CONTROLLER://{listen}:{inner_port}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        ("log.dirs", data.display().to_string()),
        ("offsets.topic.num.partitions", "4".to_owned()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("transaction.state.log.num.partitions", "4".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ("group.min.session.timeout.ms", "1000".to_owned()),
        // A misspelled topic must be an error in the test, not a new topic.
        ("auto.create.topics.enable", "false".to_owned()),
    ]
}

fn java(site: &Site, java: &Java) -> Result<Vec<String>, String> {
    prepare(&site.folder, &properties("127.0.0.1", &site.folder.join("data"), site), java)
}

/// The garbage collector with the shortest pauses, and the memory size of Kafka's own start script. A test must not
/// measure a pause of the broker: in three runs of `neighbour` the longest was 3, 7 and 9 ms with these settings, 36
/// and 33 ms with the serial collector (32 MiB of young generation) and with G1, and 354 ms with the serial collector
/// and 768 MiB.
const MEMORY: [&str; 2] = ["-XX:+UseZGC", "-Xmx1g"];

/// Writes the configuration, formats the storage and returns the arguments for `java`.
pub(super) fn prepare(folder: &Path, properties: &[(&str, String)], java: &Java) -> Result<Vec<String>, String> {
    let file = folder.join("server.properties");
    let mut text = String::new();
    for (name, value) in properties {
        writeln!(text, "{name}={value}").expect("a string takes all text");
    }
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let file = file.display().to_string();

    let mut format = java.command();
    // The cluster id may be any 16 bytes in base64.
    format.args(["-XX:+UseSerialGC", "kafka.tools.StorageTool", "format", "-t", "Y29mZmVyZGFtLWtpdC0wMQ", "-c", &file]);
    let output = format.output().map_err(|error| format!("java could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("its storage could not be formatted: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(MEMORY.into_iter().chain(["kafka.Kafka", &file]).map(str::to_owned).collect())
}

fn docker(site: &Site) -> Result<Vec<String>, String> {
    let mut arguments = vec!["--publish".to_owned(), format!("127.0.0.1:{0}:{0}", site.port)];
    for (name, value) in properties("0.0.0.0", Path::new("/tmp/kafka-data"), site) {
        let name = name.to_uppercase().replace('.', "_");
        arguments.extend(["--env".to_owned(), format!("KAFKA_{name}={value}")]);
    }
    Ok(arguments)
}
