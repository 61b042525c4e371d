//! ElasticMQ. After a partial release of a FIFO batch it behaves as AWS is reported to behave.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::Need;
use crate::servers::{Java, Lease, Server, Site, lease};

pub(super) const SERVER: Server = Server {
    title: "ElasticMQ 1.7.1",
    folder: "elasticmq-1.7.1",
    artifacts: &["org.elasticmq:elasticmq-server_2.13:1.7.1", "org.elasticmq:elasticmq-rest-sqs_2.13:1.7.1"],
    image: "softwaremill/elasticmq-native:1.7.1",
    java,
    docker,
    answers: is_up,
};

/// The endpoint of the server, and the handle that keeps it running.
pub(super) struct Found {
    pub(super) endpoint: String,
    _lease: Option<Lease>,
}

/// Returns the server from the environment, or the kit's own.
pub(super) fn find() -> Result<Found, Need> {
    if let Ok(endpoint) = std::env::var("SQS_ENDPOINT") {
        return Ok(Found { endpoint, _lease: None });
    }
    let lease = lease(&SERVER)?;
    Ok(Found { endpoint: format!("http://{}:{}", Ipv4Addr::LOCALHOST, lease.port), _lease: Some(lease) })
}

fn configuration(listen: &str, port: u16) -> String {
    format!(
        "include classpath(\"application.conf\")\n\
         rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = \"{listen}\", sqs-limits = strict }}\n\
         rest-stats {{ enabled = false }}\n\
         generate-node-address = false\n\
         node-address {{ protocol = http, host = \"127.0.0.1\", port = {port}, context-path = \"\" }}\n\
         aws {{ region = {region}, accountId = 000000000000 }}\n",
        region = super::REGION,
    )
}

pub(super) fn java(site: &Site, _: &Java) -> Result<Vec<String>, String> {
    let file = site.folder.join("elasticmq.conf");
    fs::write(&file, configuration("127.0.0.1", site.port)).map_err(|error| error.to_string())?;
    let file = format!("-Dconfig.file={}", file.display());
    Ok(["-XX:+UseSerialGC", "-Xmx256m", &file, "org.elasticmq.server.Main"].map(str::to_owned).to_vec())
}

fn docker(site: &Site) -> Result<Vec<String>, String> {
    let file = site.folder.join("elasticmq.conf");
    fs::write(&file, configuration("0.0.0.0", site.port)).map_err(|error| error.to_string())?;
    let publish = format!("127.0.0.1:{0}:{0}", site.port);
    let mount = format!("{}:/opt/elasticmq.conf:ro", file.display());
    Ok(["--publish", &publish, "--volume", &mount].map(str::to_owned).to_vec())
}

/// Returns whether the server answers on this port.
pub(super) fn is_up(port: u16) -> bool {
    answers(port).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Returns the response of the server to a minimal request.
fn answers(port: u16) -> std::io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(connection, "GET /?Action=ListQueues HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
