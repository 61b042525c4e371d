//! rustack, an SQS server inside the process, for `cofferdam dev` and for quick tests of one module.
//!
//! It is only a stand-in: a result on it does not carry over to AWS. It differs in these points:
//!
//! * It stores messages in memory, listens on a port chosen by the system, and does not check signatures.
//! * A receive returns one message of a FIFO group, so there are no batches within a group. Busy groups whose names
//!   come first in the alphabet can starve others.
//! * It ignores `DelaySeconds` on FIFO queues, limits bodies to 256 KiB, wants `maxReceiveCount` in the redrive policy
//!   as a number, and accepts invalid receipt handles.
//! * A long poll can miss the message behind one that was just moved to the dead-letter queue.
//! * It has no message move tasks and no `ReceiveRequestAttemptId`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use rustack_sqs_core::config::SqsConfig;
use rustack_sqs_core::handler::RustackSqsHandler;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::dispatch::dispatch_operation;
use rustack_sqs_http::response::error_to_response;
use rustack_sqs_http::router::resolve_operation;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::settings::Settings;
use crate::broker::Embedded;
use crate::exit::{Exit, Problem};
use crate::plan::RouteConfig;

/// Starts a server with all queues of the routes, and sets the endpoint in the settings to it.
///
/// # Errors
/// The server could not be started, or it refused a queue.
pub async fn stand_in(
    service: &str,
    routes: &[RouteConfig],
    settings: Option<&mut Settings>,
) -> Result<Embedded, Problem> {
    let mut names = super::queues_of(routes);
    // A route without a configured dead-letter queue uses one of these.
    names.extend(["-dlq", "-dlq.fifo"].map(|suffix| format!("{}{suffix}", service.replace('.', "-"))));
    let queues: Vec<QueueSpec> = names.into_iter().map(QueueSpec::new).collect();
    let started = Sqs::start(&queues).await;
    let sqs = started.map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
    if let Some(settings) = settings {
        settings.endpoint = Some(sqs.endpoint().to_owned());
        settings.region = Some(Sqs::REGION.to_owned());
    }
    Ok(Embedded::new(format!("SQS {} (rustack)", sqs.endpoint()), sqs))
}

/// The account id of the server; it appears only in ARNs and URLs.
const ACCOUNT: &str = "000000000000";

/// A queue to create at the start.
#[derive(Clone, Debug, Default)]
pub struct QueueSpec {
    /// 1 to 80 letters, digits, `-` and `_`; a queue is FIFO if its name ends in `.fifo`.
    pub name: String,
    /// The redrive policy. Its dead-letter queue must come earlier in the same list.
    pub redrive: Option<Redrive>,
    /// Further queue attributes by their AWS names, for example `VisibilityTimeout` (in seconds).
    pub attributes: Vec<(String, String)>,
}

impl QueueSpec {
    /// Creates the specification of a queue with the default attributes of AWS.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// The redrive policy of a queue.
#[derive(Clone, Debug)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub dead_letter_queue: String,
    /// How often a message is received before it is moved; at least 1.
    pub max_receive_count: u32,
}

/// The reason why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused the name or an attribute of a queue.
    #[error("embedded sqs server: failed to create queue {queue:?}: {reason}")]
    Queue {
        /// The name of the queue.
        queue: String,
        /// The error text of the server.
        reason: String,
    },
    /// The server has no port, no thread or no event loop.
    #[error("failed to start the embedded sqs server: {0}")]
    Serve(#[from] std::io::Error),
}

/// An SQS server inside the process; it stops when this is dropped.
pub struct Sqs {
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sqs {
    /// The region of the server; it appears in the ARNs of queues.
    pub const REGION: &str = "us-east-1";

    /// Starts the server with these queues. Clients may create further queues.
    ///
    /// # Errors
    /// [`Error::Serve`] if there is no port or thread, [`Error::Queue`] if the server refuses a queue.
    pub async fn start(queues: &[QueueSpec]) -> Result<Sqs, Error> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let requests: Vec<_> = queues.iter().map(|queue| (queue.name.clone(), create_request(queue))).collect();

        let (stop, stopped) = oneshot::channel();
        let (ready, readied) = oneshot::channel();
        let thread = std::thread::Builder::new().name("embedded-sqs".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(Error::Serve(error))); // the receiver was dropped
                    return;
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, address, requests, ready) => {}
                    _ = stopped => {}
                }
            });
        })?;
        let sqs = Sqs { endpoint: format!("http://{address}"), stop: Some(stop), thread: Some(thread) };
        readied.await.map_err(|_| Error::Serve(std::io::Error::other("the thread ended early")))??;
        Ok(sqs)
    }

    /// Returns `http://host:port` for the `endpoint_url` of a client. The server accepts any credentials and any
    /// region.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Sqs {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The server has no blocking work, so its event loop ends at the next turn. A panic was reported when it
            // happened.
            let _ = thread.join();
        }
    }
}

/// Creates the queues, reports that they exist, and answers requests until the event loop is dropped.
async fn serve(
    listener: std::net::TcpListener,
    address: SocketAddr,
    queues: Vec<(String, Value)>,
    ready: oneshot::Sender<Result<(), Error>>,
) {
    let provider = Arc::new(RustackSqs::new(SqsConfig {
        skip_signature_validation: true,
        default_region: Sqs::REGION.to_owned(),
        account_id: ACCOUNT.to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
    }));
    let outcome = async {
        for (queue, request) in queues {
            let refused = |reason: String| Error::Queue { queue: queue.clone(), reason };
            let request = serde_json::from_value(request).map_err(|error| refused(error.to_string()))?;
            provider.create_queue(request).await.map_err(|error| refused(error.to_string()))?;
        }
        Ok(TcpListener::from_std(listener)?)
    };
    let listener = match outcome.await {
        Ok(listener) => listener,
        Err(error) => {
            let _ = ready.send(Err(error)); // if the receiver was dropped, nobody needs the server
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let handler = Arc::new(RustackSqsHandler::new(provider));
    let router = Router::new().fallback(answer).with_state(handler);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the embedded sqs server stopped");
    }
}

/// Answers one request of the AWS JSON protocol.
async fn answer(State(handler): State<Arc<RustackSqsHandler>>, headers: HeaderMap, body: Bytes) -> Response {
    let outcome = match resolve_operation(&headers) {
        Ok(operation) => dispatch_operation(&*handler, operation, body).await,
        Err(error) => Err(error),
    };
    outcome.unwrap_or_else(|error| error_to_response(&error, "embedded")).map(Body::new)
}

/// Builds the `CreateQueue` request for a queue, as a client sends it.
fn create_request(queue: &QueueSpec) -> Value {
    let mut attributes: Map<String, Value> =
        queue.attributes.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    if queue.name.ends_with(".fifo") {
        attributes.insert("FifoQueue".to_owned(), Value::from("true"));
    }
    if let Some(redrive) = &queue.redrive {
        let arn = format!("arn:aws:sqs:{}:{ACCOUNT}:{}", Sqs::REGION, redrive.dead_letter_queue);
        // Send a number: rustack refuses a number in quotes here, but AWS accepts it.
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": redrive.max_receive_count });
        attributes.insert("RedrivePolicy".to_owned(), Value::from(policy.to_string()));
    }
    json!({ "QueueName": queue.name, "Attributes": attributes })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::Client;
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};

    use super::*;

    fn client(sqs: &Sqs) -> Client {
        Client::from_conf(
            aws_sdk_sqs::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .endpoint_url(sqs.endpoint())
                .region(Region::from_static(Sqs::REGION))
                .credentials_provider(Credentials::new("any", "any", None, None, "embedded"))
                .build(),
        )
    }

    fn queue(name: &str) -> QueueSpec {
        QueueSpec { name: name.to_owned(), ..QueueSpec::default() }
    }

    #[tokio::test]
    async fn fifo_messages_come_out_in_the_order_they_went_in() {
        let sqs = Sqs::start(&[queue("tasks.fifo")]).await.unwrap();
        let client = client(&sqs);
        let url = client.get_queue_url().queue_name("tasks.fifo").send().await.unwrap().queue_url.unwrap();
        assert!(url.starts_with(sqs.endpoint()), "{url}");
        for body in ["first", "second"] {
            let send = client.send_message().queue_url(&url).message_body(body).message_group_id("g");
            send.message_deduplication_id(body).send().await.unwrap();
        }
        for body in ["first", "second"] {
            let got = client.receive_message().queue_url(&url).wait_time_seconds(5).send().await.unwrap();
            let message = &got.messages()[0];
            assert_eq!(message.body(), Some(body));
            let handle = message.receipt_handle().unwrap();
            client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
        let redrive = Redrive { dead_letter_queue: "dead.fifo".to_owned(), max_receive_count: 1 };
        let source = QueueSpec { redrive: Some(redrive), ..queue("tasks.fifo") };
        let sqs = Sqs::start(&[queue("dead.fifo"), source]).await.unwrap();
        let client = client(&sqs);
        let url = async |name| client.get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap();
        let (tasks, dead) = (url("tasks.fifo").await, url("dead.fifo").await);
        let send = client.send_message().queue_url(&tasks).message_body("poison").message_group_id("g");
        send.message_deduplication_id("1").send().await.unwrap();

        let got = client.receive_message().queue_url(&tasks).visibility_timeout(0).send().await.unwrap();
        assert_eq!(got.messages().len(), 1);
        let again = client.receive_message().queue_url(&tasks).send().await.unwrap();
        assert_eq!(again.messages().len(), 0);
        let buried = client.receive_message().queue_url(&dead).wait_time_seconds(5).send().await.unwrap();
        assert_eq!(buried.messages()[0].body(), Some("poison"));
    }

    #[tokio::test]
    async fn a_queue_name_that_is_none_is_refused_by_name() {
        let refused = Sqs::start(&[queue("no spaces")]).await.err().expect("spaces are refused");
        assert!(refused.to_string().contains("failed to create queue \"no spaces\""), "{refused}");
    }

    #[tokio::test]
    async fn it_stops_at_once_when_dropped_even_with_a_long_poll_open() {
        let sqs = Sqs::start(&[queue("tasks")]).await.unwrap();
        let (client, address) = (client(&sqs), sqs.endpoint()["http://".len()..].to_owned());
        let url = client.get_queue_url().queue_name("tasks").send().await.unwrap().queue_url.unwrap();
        let no_retry =
            aws_sdk_sqs::config::Builder::new().retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled());
        let poll = client.receive_message().queue_url(&url).wait_time_seconds(20).customize().config_override(no_retry);
        let poll = tokio::spawn(async move { poll.send().await.is_err() });
        client.get_queue_url().queue_name("tasks").send().await.unwrap();
        drop(sqs);
        assert!(poll.await.unwrap(), "the poll was answered though the server is gone");
        std::net::TcpStream::connect(&address).expect_err("it stopped");
    }
}
