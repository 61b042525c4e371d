//! A proxy in front of a server that injects network faults: it resets, stalls, slows down or cuts connections. The
//! server loses nothing.

mod relay;
mod requests;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use relay::relay;

/// A proxy on its own port that forwards connections to a server while it is open. Dropping it ends all connections.
pub struct Gate {
    address: SocketAddr,
    way: watch::Sender<Way>,
    counts: Arc<Counts>,
    _relays: JoinSet<()>,
}

/// Counters of client traffic.
#[derive(Debug, Default)]
struct Counts {
    /// Bytes from clients.
    bytes: AtomicU64,
    /// Requests that were held back, or whose responses were.
    caught: AtomicU64,
}

/// The current faults.
#[derive(Clone, Debug)]
struct Way {
    passage: Passage,
    /// The number of cuts so far. A connection ends when the number changes.
    cuts: u64,
    to_server: Pace,
    to_client: Pace,
    catch: Option<Catch>,
}

/// Kafka requests to hold back, or whose responses are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Catch {
    /// API keys of the protocol, for example [`Gate::END_TRANSACTION`].
    api_keys: &'static [i16],
    /// Whether the request reaches the server and its response is held back.
    after: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    Open,
    /// Connections are reset as soon as they are accepted.
    Shut,
    /// Connections are accepted, but no byte is forwarded in either direction.
    Swallowed,
    /// Requests reach the server; the connection ends when a response begins.
    Unanswered,
}

/// The speed of one direction of each connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace {
    delay: Duration,
    /// Bytes per second; `None` means unlimited.
    rate: Option<u32>,
}

impl Gate {
    /// Creates an open gate in front of this server (`http://host:port` or `host:port`). The server need not run yet.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn before(endpoint: &str) -> Gate {
        Self::build(endpoint, false)
    }

    /// As [`Gate::before`], in front of a Kafka broker. The gate parses requests as far as [`Gate::hold`] needs it.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn before_kafka(endpoint: &str) -> Gate {
        Self::build(endpoint, true)
    }

    fn build(endpoint: &str, kafka: bool) -> Gate {
        let server = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the system has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        listener.set_nonblocking(true).expect("a listener can be asked without waiting");
        let open = Way {
            passage: Passage::Open,
            cuts: 0,
            to_server: Pace::default(),
            to_client: Pace::default(),
            catch: None,
        };
        let (way, seen) = watch::channel(open);
        let counts = Arc::<Counts>::default();
        let mut relays = JoinSet::new();
        relays.spawn_on(accept(listener, server, seen, Arc::clone(&counts), kafka), runtime().handle());
        Gate { address, way, counts, _relays: relays }
    }

    /// Returns the URL that clients connect to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections, and each new one as soon as it is accepted.
    pub fn shut(&self) {
        self.way.send_modify(|way| way.passage = Passage::Shut);
    }

    /// Forwards new connections again, and resumes connections that were stalled by [`Gate::swallow`].
    pub fn open(&self) {
        self.way.send_modify(|way| way.passage = Passage::Open);
    }

    /// Accepts connections but forwards no byte in either direction, like a network that drops all packets. Existing
    /// connections stay and resume when the gate is opened.
    pub fn swallow(&self) {
        self.way.send_modify(|way| way.passage = Passage::Swallowed);
    }

    /// Forwards requests, but ends each connection when a response begins: the server executes the request, and the
    /// client does not learn the result.
    pub fn lose_answers(&self) {
        self.way.send_modify(|way| way.passage = Passage::Unanswered);
    }

    /// Resets all current connections.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.cuts += 1);
    }

    /// Delays bytes by these times, to the server and back.
    pub fn delay(&self, to_server: Duration, to_client: Duration) {
        self.way.send_modify(|way| {
            way.to_server.delay = to_server;
            way.to_client.delay = to_client;
        });
    }

    /// Limits each direction of each connection to this number of bytes per second; `None` means unlimited.
    pub fn throttle(&self, bytes_per_second: Option<u32>) {
        self.way.send_modify(|way| {
            way.to_server.rate = bytes_per_second;
            way.to_client.rate = bytes_per_second;
        });
    }

    /// Returns the number of bytes that clients have sent so far. It grows when a request is sent.
    pub fn asked(&self) -> u64 {
        self.counts.bytes.load(Ordering::SeqCst)
    }

    /// The API key of the request with which a Kafka consumer commits offsets.
    pub const OFFSET_COMMIT: i16 = 8;
    /// The API key of the request with which a Kafka producer ends a transaction.
    pub const END_TRANSACTION: i16 = 26;
    /// The API key of the request with which a Kafka producer initialises its transactional id.
    pub const INIT_PRODUCER: i16 = 22;

    /// Holds back each request with these API keys, and all later bytes of its connection, until [`Gate::let_go`].
    pub fn hold(&self, api_keys: &'static [i16]) {
        self.way.send_modify(|way| way.catch = Some(Catch { api_keys, after: false }));
    }

    /// Forwards each request with these API keys, but holds back its response and all later bytes of the connection,
    /// until [`Gate::let_go`].
    pub fn hold_answers(&self, api_keys: &'static [i16]) {
        self.way.send_modify(|way| way.catch = Some(Catch { api_keys, after: true }));
    }

    /// Forwards the requests and responses that were held back.
    pub fn let_go(&self) {
        self.way.send_modify(|way| way.catch = None);
    }

    /// Returns how many requests were caught so far, by [`Gate::hold`] or [`Gate::hold_answers`].
    pub fn caught(&self) -> u64 {
        self.counts.caught.load(Ordering::SeqCst)
    }
}

/// Returns a runtime that does not belong to a test, because several tests may share a gate, and a test may block its
/// own runtime.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a thread can be started")
    })
}

async fn accept(
    listener: std::net::TcpListener,
    server: String,
    way: watch::Receiver<Way>,
    counts: Arc<Counts>,
    kafka: bool,
) {
    let listener = TcpListener::from_std(listener).expect("it was made for this");
    let mut relays = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while relays.try_join_next().is_some() {}
        let (server, counts, mut way) = (server.clone(), Arc::clone(&counts), way.clone());
        let passage = way.borrow_and_update().passage;
        relays.spawn(async move {
            match passage {
                Passage::Shut => reset(&client),
                Passage::Swallowed => {
                    // An error means that the gate was dropped.
                    let _ = way.wait_for(|way| way.passage != Passage::Swallowed).await;
                    reset(&client);
                }
                Passage::Open | Passage::Unanswered => match TcpStream::connect(&server).await {
                    Ok(upstream) => relay(client, upstream, way, &counts, kafka).await,
                    Err(_) => reset(&client),
                },
            }
        });
    }
}

/// Makes the connection end with a reset when it is dropped, as after a crash of the host.
fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger(); // it may have ended already
}
