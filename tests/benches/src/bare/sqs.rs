//! The barest loop over a queue: each poller receives ten messages, gives them to a handler or to nobody, and has them
//! deleted in one call while it receives the next ten. One thread does it all, for what counts is processor time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName as System};
use tokio::task::JoinSet;

use super::Instances;
use super::guest::{Given, Guest, Header};

/// Messages of a receive and of a delete: the most that SQS knows.
const BATCH: i32 = 10;
/// Seconds that a receive waits for the first message.
const WAIT: i32 = 5;
/// Seconds for which a received message is hidden.
const LEASE: i32 = 60;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// `http://host:port`
    #[arg(long)]
    endpoint: String,
    /// The queue that is emptied.
    #[arg(long)]
    queue_url: String,
    /// Receives at a time.
    #[arg(long)]
    pollers: u32,
    /// Asks for no attributes, so that a handler could be told of neither group, nor time, nor headers.
    #[arg(long, conflicts_with = "component")]
    bodies_alone: bool,
    /// The component that each message goes through.
    #[arg(long)]
    component: Option<PathBuf>,
}

/// What all pollers share.
struct Loop {
    client: Client,
    queue_url: String,
    bodies_alone: bool,
    guest: Option<Mutex<Guest>>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let guest = arguments.component.as_deref().map(|path| Guest::open(path, Instances::Warm)).transpose()?;
    let shared = Arc::new(Loop {
        client: client(&arguments.endpoint),
        queue_url: arguments.queue_url,
        bodies_alone: arguments.bodies_alone,
        guest: guest.map(Mutex::new),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut pollers: JoinSet<_> = (0..arguments.pollers).map(|_| Arc::clone(&shared).poll()).collect();
        pollers.join_next().await.context("it needs a poller")??
    })
}

/// With the credentials of the environment; a local server takes any.
fn client(endpoint: &str) -> Client {
    let variable = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID", "test"), variable("AWS_SECRET_ACCESS_KEY", "test"));
    let token = std::env::var("AWS_SESSION_TOKEN").ok();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(variable("AWS_REGION", kit::sqs::REGION)))
        .credentials_provider(Credentials::new(id, secret, token, None, "bare"))
        .build();
    Client::from_conf(config)
}

impl Loop {
    /// Ends with a fault only.
    async fn poll(self: Arc<Self>) -> anyhow::Result<()> {
        let mut handled = Vec::new();
        loop {
            let (received, ()) = tokio::try_join!(self.receive(), self.delete(handled))?;
            if let Some(guest) = &self.guest {
                // Nobody panics while holding it, and nobody waits for it: there is one thread.
                let mut guest = guest.lock().unwrap_or_else(PoisonError::into_inner);
                for message in &received {
                    handle(&mut guest, message)?;
                }
            }
            handled = received;
        }
    }

    async fn receive(&self) -> anyhow::Result<Vec<Message>> {
        let receive = self.client.receive_message().queue_url(&self.queue_url).max_number_of_messages(BATCH);
        let mut receive = receive.wait_time_seconds(WAIT).visibility_timeout(LEASE);
        if !self.bodies_alone {
            // What Cofferdam asks for, since handlers may want to know it.
            let system = [
                System::ApproximateReceiveCount,
                System::MessageGroupId,
                System::SentTimestamp,
                System::AwsTraceHeader,
            ];
            receive = receive.message_attribute_names("All").set_message_system_attribute_names(Some(system.to_vec()));
        }
        Ok(receive.send().await?.messages.unwrap_or_default())
    }

    async fn delete(&self, messages: Vec<Message>) -> anyhow::Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let entries = messages.into_iter().enumerate().map(|(place, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            entry.set_receipt_handle(message.receipt_handle).build()
        });
        let entries = entries.collect::<Result<_, _>>()?;
        let delete = self.client.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(entries));
        let answer = delete.send().await?;
        ensure!(answer.failed.is_empty(), "a message was not deleted: {:?}", answer.failed);
        Ok(())
    }
}

fn handle(guest: &mut Guest, message: &Message) -> anyhow::Result<()> {
    let system = |name| message.attributes()?.get(&name);
    let number = |name| system(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    let attributes = message.message_attributes().into_iter().flatten();
    let headers: Vec<Header<'_>> =
        attributes.filter_map(|(name, value)| Some(Header { name, value: value.string_value()?.as_bytes() })).collect();
    let id = message.message_id().unwrap_or_default();
    let given = Given {
        id,
        source: "in",
        position: id,
        key: system(System::MessageGroupId).map(String::as_bytes),
        headers: &headers,
        attributes: &[],
        payload: message.body().map(str::as_bytes),
        timestamp_ms: number(System::SentTimestamp),
        attempt: u32::try_from(number(System::ApproximateReceiveCount))?,
    };
    let outputs = guest.handle(given)?;
    ensure!(outputs.is_empty(), "the guest is not the one that answers nothing");
    Ok(())
}
