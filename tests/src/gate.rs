//! A way to a server that can be shut, cut, slowed down and swallowed up: faults of the network that lose nothing on the
//! server's side.

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

/// A port of its own, from which connections go on to a server while the gate is open. Dropping it ends them.
pub struct Gate {
    address: SocketAddr,
    way: watch::Sender<Way>,
    counts: Arc<Counts>,
    _relays: JoinSet<()>,
}

/// What clients have asked.
#[derive(Debug, Default)]
struct Counts {
    /// Bytes.
    bytes: AtomicU64,
    /// Requests that were held back, or whose answers were.
    caught: AtomicU64,
}

/// How bytes get through.
#[derive(Clone, Debug)]
struct Way {
    passage: Passage,
    /// Counts the cuts: a connection ends when it is no longer the number it began with.
    cuts: u64,
    to_server: Pace,
    to_client: Pace,
    catch: Option<Catch>,
}

/// Requests of Kafka that do not get through, or whose answers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Catch {
    /// Keys of the protocol, for example [`Gate::END_TRANSACTION`].
    api_keys: &'static [i16],
    /// The server gets it, and its answer is held back.
    after: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    Open,
    /// Connections are reset as soon as they are made.
    Shut,
    /// Connections are accepted, and nothing comes through either way.
    Swallowed,
    /// Requests reach the server, and where it answers the connection ends.
    Unanswered,
}

/// How fast bytes go in one direction of each connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace {
    delay: Duration,
    /// Bytes per second; as fast as they come where there is none.
    rate: Option<u32>,
}

impl Gate {
    /// An open gate before this server (`http://host:port` or `host:port`), which need not be up yet.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn before(endpoint: &str) -> Gate {
        Self::build(endpoint, false)
    }

    /// The same before a broker of Kafka: it understands requests as far as [`Gate::hold`] needs it.
    ///
    /// # Panics
    /// Where there is no free port.
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

    /// Where clients connect to, as a url.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection, and each new one as soon as it is made.
    pub fn shut(&self) {
        self.way.send_modify(|way| way.passage = Passage::Shut);
    }

    /// Lets connections through again, and bytes of those that were swallowed up. Those that were made meanwhile are
    /// reset.
    pub fn open(&self) {
        self.way.send_modify(|way| way.passage = Passage::Open);
    }

    /// Accepts connections and lets no byte through in either direction, as a network that has lost its way. Those that
    /// are there stay, and go on when it is opened.
    pub fn swallow(&self) {
        self.way.send_modify(|way| way.passage = Passage::Swallowed);
    }

    /// Lets requests through and ends each connection where an answer begins: what was asked for is done, and nobody knows.
    pub fn lose_answers(&self) {
        self.way.send_modify(|way| way.passage = Passage::Unanswered);
    }

    /// Resets every connection that is there now.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.cuts += 1);
    }

    /// Lets bytes take this long on their way, to the server and back.
    pub fn delay(&self, to_server: Duration, to_client: Duration) {
        self.way.send_modify(|way| {
            way.to_server.delay = to_server;
            way.to_client.delay = to_client;
        });
    }

    /// Lets so many bytes per second through, in each direction of each connection; `None` is as many as come.
    pub fn throttle(&self, bytes_per_second: Option<u32>) {
        self.way.send_modify(|way| {
            way.to_server.rate = bytes_per_second;
            way.to_client.rate = bytes_per_second;
        });
    }

    /// Bytes that clients have sent so far: it grows when a request goes out.
    pub fn asked(&self) -> u64 {
        self.counts.bytes.load(Ordering::SeqCst)
    }

    /// The request by which a consumer of Kafka commits offsets.
    pub const OFFSET_COMMIT: i16 = 8;
    /// The request by which a producer of Kafka ends a transaction.
    pub const END_TRANSACTION: i16 = 26;
    /// The request by which a producer of Kafka takes its transactional id.
    pub const INIT_PRODUCER: i16 = 22;

    /// Holds back every such request, and what follows it on its connection, until [`Gate::let_go`].
    pub fn hold(&self, api_keys: &'static [i16]) {
        self.way.send_modify(|way| way.catch = Some(Catch { api_keys, after: false }));
    }

    /// Lets every such request through, and holds back its answer with all that follows on the connection, until
    /// [`Gate::let_go`].
    pub fn hold_answers(&self, api_keys: &'static [i16]) {
        self.way.send_modify(|way| way.catch = Some(Catch { api_keys, after: true }));
    }

    /// Lets requests and answers through again that were held back.
    pub fn let_go(&self) {
        self.way.send_modify(|way| way.catch = None);
    }

    /// How many requests were caught so far, by [`Gate::hold`] or [`Gate::hold_answers`].
    pub fn caught(&self) -> u64 {
        self.counts.caught.load(Ordering::SeqCst)
    }
}

/// Not the test's own: a gate may be shared by tests, and a test may wait by blocking.
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
                    // Whoever waits for the gate has gone with it.
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

/// Has the connection end with a reset when it is dropped, as of a host that is gone.
fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger(); // it may have ended already
}
