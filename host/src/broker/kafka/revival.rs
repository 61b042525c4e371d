//! Reconnects a client that has forgotten all brokers.
//!
//! A stopping broker may briefly answer that the cluster has no brokers. librdkafka 2.12.1 then forgets all brokers. If
//! it also loses an internal race, it never tries its bootstrap servers again
//! ([confluentinc/librdkafka#5301](https://github.com/confluentinc/librdkafka/issues/5301)): no connection, no
//! connection attempt, no fatal error, however long it lasts and whatever the settings. Measured: 3 of 640 restarts of
//! a broker under load, one of them watched for 445 s. The last event of such a client is that all brokers are down; a
//! client that only waits for its brokers repeats this event at each attempt. Giving it the bootstrap servers again
//! ends the state within two seconds and loses nothing: queue, producer id and sequence numbers stay.

use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings::{rd_kafka_brokers_add, rd_kafka_t};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How long a client may report no error after it has lost all brokers. By default librdkafka retries within ten
/// seconds (`reconnect.backoff.max.ms`), and reports each failure.
const SILENCE: Duration = Duration::from_secs(15);

/// The connection state of one client, by its errors.
pub(crate) struct Revival {
    bootstrap: CString,
    down: Mutex<Option<Instant>>,
}

impl Revival {
    /// Creates the state for a client with this configuration.
    pub(crate) fn new(client: &ClientConfig) -> Self {
        let bootstrap = client.get("bootstrap.servers").and_then(|servers| CString::new(servers).ok());
        Self { bootstrap: bootstrap.unwrap_or_default(), down: Mutex::default() }
    }

    /// Processes an error. The owner must pass every error of the client.
    pub(crate) fn heard(&self, error: &KafkaError) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.lock() = Some(Instant::now());
        }
    }

    /// Notes that a request failed because no broker is reachable. For a client whose errors nobody polls.
    pub(crate) fn lost(&self) {
        self.lock().get_or_insert_with(Instant::now);
    }

    /// Gives the client its bootstrap servers again if it has been silent for longer than [`SILENCE`]. Call it
    /// regularly. A client that has found its brokers meanwhile already knows these servers, so the call changes
    /// nothing.
    pub(crate) fn look(&self, client: *mut rd_kafka_t) {
        self.look_at(client, Instant::now());
    }

    fn look_at(&self, client: *mut rd_kafka_t, now: Instant) {
        if self.is_due(now) {
            // SAFETY: the client is alive as long as whoever calls holds it, and the text ends with a zero.
            let added = unsafe { rd_kafka_brokers_add(client, self.bootstrap.as_ptr()) };
            tracing::debug!(added, "added the bootstrap servers again to a client that had lost all brokers");
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut down = self.lock();
        let due = down.is_some_and(|since| now.saturating_duration_since(since) >= SILENCE);
        if due {
            // If this does not help, the client reports once more that all brokers are down.
            *down = None;
        }
        due
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rdkafka::producer::{BaseProducer, Producer as _};

    use super::*;

    /// A broker that reports itself and, while it is stopping, no broker at all. It implements one request of the
    /// protocol, Metadata, in its first version.
    struct Broker {
        address: SocketAddr,
        stopping: AtomicBool,
    }

    impl Broker {
        fn start() -> Arc<Self> {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let broker = Arc::new(Self { address, stopping: AtomicBool::new(false) });
            let serving = Arc::clone(&broker);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let broker = Arc::clone(&serving);
                    std::thread::spawn(move || broker.serve(stream));
                }
            });
            broker
        }

        fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
            loop {
                let mut size = [0; 4];
                stream.read_exact(&mut size)?;
                let mut request = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
                stream.read_exact(&mut request)?;
                assert_eq!(request[..4], [0, 3, 0, 0], "Metadata, version 0");
                let port = i32::from(self.address.port()).to_be_bytes();
                let itself = [&[0, 0, 0, 1][..], &[0, 0, 0, 7], &[0, 9], b"127.0.0.1", &port].concat();
                let brokers = if self.stopping.load(Ordering::SeqCst) { vec![0; 4] } else { itself };
                // One topic, whose leader is not available (5), without partitions. Its name has 200 letters, because
                // the memory that librdkafka allocates for a response depends on its length.
                let topics = [&[0, 0, 0, 1, 0, 5, 0, 200][..], &[b't'; 200], &[0; 4]].concat();
                let answer = [&request[4..8], &brokers, &topics].concat();
                stream.write_all(&[&u32::try_from(answer.len()).unwrap().to_be_bytes()[..], &answer].concat())?;
            }
        }
    }

    #[test]
    fn a_client_that_has_forgotten_all_brokers_comes_back() {
        let mut config = ClientConfig::new();
        let broker = Broker::start();
        config.set("bootstrap.servers", broker.address.to_string());
        config.set("api.version.request", "false").set("broker.version.fallback", "0.9.0");
        // This setting does to every client what the race does to one in several hundred.
        config.set("metadata.recovery.strategy", "none");
        let producer: BaseProducer = config.create().unwrap();
        let (client, revival) = (producer.client(), Revival::new(&config));
        let ask = |limit| client.fetch_metadata(None, Duration::from_secs(limit));

        assert_eq!(ask(10).unwrap().brokers().len(), 1);
        broker.stopping.store(true, Ordering::SeqCst);
        // The client also sends requests by itself, so the first or the second response may tell it.
        assert!((0..3).any(|_| ask(1).is_err()), "no broker is left to be asked");
        broker.stopping.store(false, Ordering::SeqCst);
        ask(1).expect_err("nothing has changed for it");
        revival.lost();
        revival.look_at(client.native_ptr(), Instant::now() + SILENCE);
        assert_eq!(ask(10).expect("it has its bootstrap servers again").brokers().len(), 1);
    }

    #[test]
    fn a_client_is_told_again_once_it_is_silent_after_its_last_broker_went() {
        let revival = Revival::new(ClientConfig::new().set("bootstrap.servers", "a:1,b:2"));
        assert_eq!(revival.bootstrap.to_bytes(), b"a:1,b:2");
        let down = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        let now = Instant::now();
        let in_time = |time| revival.is_due(now + time);
        assert!(!in_time(SILENCE * 2), "it has lost nothing");
        revival.heard(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure));
        assert!(!in_time(SILENCE * 2), "it has lost one of several");
        revival.heard(&down);
        assert!(!in_time(SILENCE / 2), "it may be about to try again");
        assert!(in_time(SILENCE * 2));
        assert!(!in_time(SILENCE * 4), "once is enough, until it says so again");
        revival.heard(&down);
        assert!(in_time(SILENCE * 2));
    }
}
