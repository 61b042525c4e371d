//! SQS for `cofferdam verify`: configuration of the hosts, server address, and queues of a run.

mod queues;
mod reader;
mod writer;

use aws_sdk_sqs::Client;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::settings::Settings;
use super::words;
use crate::broker::Kind;
use crate::broker::verify::{Address, LEASE, Names, Opaque, Part, Side, Stage, Subject};
use crate::exit::{Exit, Problem};

/// What a run needs from SQS before a configuration exists.
pub(super) const SIDE: Side = Side {
    title: "SQS",
    address: Address {
        key: "endpoint",
        value: "ENDPOINT",
        help: "Use this SQS-compatible endpoint (not AWS) instead of the one in the configuration",
    },
    transactions: false,
    section: Clone::clone,
    route,
    exchange: || Box::new(Opaque),
};

/// Returns the queue name of a part. The queue is FIFO, except for error events, which need no order.
fn queue(names: &Names, part: Part) -> String {
    let fifo = if part == Part::Errors { "" } else { ".fifo" };
    format!("{}{fifo}", names.name(part))
}

fn route(names: &Names, _delivery: &str) -> String {
    let [input, out, dead, errors] = Part::ALL.map(|part| queue(names, part));
    let lease = LEASE.as_secs();
    format!(
        "from = {{ sqs = {input:?}, visibility_timeout = \"{lease}s\", wait = \"1s\" }}
        dead_letter = {{ sqs = {dead:?} }}
        errors = {{ sqs = {errors:?} }}
        outputs = {{ out = {{ sqs = {out:?} }} }}"
    )
}

impl Subject for Settings {
    fn kind(&self) -> &'static Kind {
        &super::KIND
    }

    fn servers(&self) -> Result<Vec<String>, &'static str> {
        let server = authority(self).ok_or("the endpoint of SQS is not an http:// address")?;
        Ok(vec![server])
    }

    fn address(&self, local: &[String]) -> String {
        format!("http://{}", local.concat())
    }

    fn stage<'a>(&'a self, names: &'a Names) -> BoxFuture<'a, Result<Box<dyn Stage>, Problem>> {
        async {
            let client = super::client(self.region.as_deref(), self.endpoint.as_deref()).await;
            Ok(Box::new(queues::Queues::new(client, names)) as Box<dyn Stage>)
        }
        .boxed()
    }
}

/// Returns `host:port` of the endpoint if it uses plain HTTP.
fn authority(settings: &Settings) -> Option<String> {
    let endpoint: http::Uri = settings.endpoint.as_deref()?.parse().ok()?;
    let root = matches!(endpoint.path(), "" | "/");
    let open = endpoint.scheme_str() == Some("http") && root;
    open.then(|| Some(format!("{}:{}", endpoint.host()?, endpoint.port_u16().unwrap_or(80)))).flatten()
}

/// Returns the URL of a queue.
async fn url(client: &Client, queue: &str) -> Result<String, Problem> {
    let found = client.get_queue_url().queue_name(queue).send().await;
    let url = found.map_err(|error| unavailable(&words::of(&error)))?.queue_url;
    url.ok_or_else(|| Problem::new(Exit::Unavailable, format!("no URL for queue {queue}"), ""))
}

fn unavailable(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Exit::Unavailable, format!("sqs: {error}"), "")
}
