//! A real server on a real socket, and a client that speaks HTTP by hand.

use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_core::machine::Account;
use cofferdam_core::time::Time;
use futures::FutureExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A server that runs.
struct Server {
    health: Arc<Health>,
    kafka_is_up: Arc<AtomicBool>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    async fn start(brokers: bool) -> Self {
        let health = Health::new();
        let kafka_is_up = Arc::new(AtomicBool::new(true));
        let up = Arc::clone(&kafka_is_up);
        let kafka: Probe = Arc::new(move || std::future::ready(kafka(up.load(Ordering::Relaxed))).boxed());
        let sqs: Probe = Arc::new(|| std::future::ready(sqs()).boxed());
        let probes = Probes {
            health: Arc::clone(&health),
            metrics: Arc::new(|| "# TYPE up gauge\nup 1\n".to_owned()),
            brokers: vec![("kafka", brokers.then_some(kafka)), ("sqs", brokers.then_some(sqs))],
            pages: None,
        };
        let bound = Admin::new(anywhere(), probes).bind().await.unwrap();
        let address = bound.local_addr();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(bound.run(async { stopped.await.unwrap_or(()) }));
        Self { health, kafka_is_up, address, stop, running }
    }

    async fn get(&self, path: &str) -> Answer {
        get(self.address, path).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

#[derive(Debug)]
struct Answer {
    code: u16,
    head: String,
    body: String,
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    get_as(address, path, "localhost").await
}

async fn get_as(address: SocketAddr, path: &str, host: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { code, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn anywhere() -> Config {
    Config { listen: "127.0.0.1:0".parse().unwrap(), hosts: Vec::new() }
}

fn kafka(connected: bool) -> BrokerHealth {
    let error = (!connected).then_some("connection refused");
    let page =
        json!({ "connected": connected, "expected": ["orders"], "missing": [], "dead_letters": [], "error": error });
    BrokerHealth::of(connected, connected, &page)
}

fn sqs() -> BrokerHealth {
    // An alert is no fault of the process: it stays well.
    let letters =
        LetterHealth { destination: "sqs:tasks-dlq.fifo".into(), letters: Some(101), limit: 100, alert: true };
    let redrive = json!({ "queue": "tasks-dlq.fifo", "available": 1 });
    let queue = json!({ "name": "tasks.fifo", "available": 3, "in_flight": 2, "delayed": 0, "dead_letters": redrive, "error": null });
    let page = json!({ "connected": true, "queues": [queue], "dead_letters": [letters], "error": null });
    BrokerHealth::of(true, true, &page)
}

fn at(millis: u64) -> Time {
    Time::from_millis(1_795_237_296_000 + millis)
}

#[tokio::test]
async fn health_shows_every_route_and_broker() {
    let server = Server::start(true).await;
    let route = server.health.route("price-orders", at(0));
    let account = Account { received: 5, done: 3, ..Account::default() };
    route.report(State::Running, &account, 2, at(1_500));
    server.health.route("ship-orders", at(0)).report(State::Holding, &Account::default(), 0, at(2_000));
    let health = server.get("/health").await;
    assert_eq!(health.code, 200);
    assert!(health.head.contains("content-type: application/json"), "{}", health.head);
    let page: serde_json::Value = serde_json::from_str(&health.body).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&page).unwrap(), @r#"
    {
      "status": "ok",
      "live": true,
      "ready": true,
      "reasons": [],
      "routes": [
        {
          "name": "price-orders",
          "state": "running",
          "since": "2026-11-21T05:01:37.500Z",
          "in_flight": 2,
          "account": {
            "received": 5,
            "done": 3,
            "dead_lettered": 0,
            "ignored": 0,
            "duplicates": 0,
            "released": 0,
            "revoked": 0,
            "abandoned": 0,
            "retried": 0,
            "deferred": 0,
            "outputs": 0
          }
        },
        {
          "name": "ship-orders",
          "state": "holding",
          "since": "2026-11-21T05:01:38.000Z",
          "in_flight": 0,
          "account": {
            "received": 0,
            "done": 0,
            "dead_lettered": 0,
            "ignored": 0,
            "duplicates": 0,
            "released": 0,
            "revoked": 0,
            "abandoned": 0,
            "retried": 0,
            "deferred": 0,
            "outputs": 0
          }
        }
      ],
      "kafka": {
        "status": "ok",
        "connected": true,
        "expected": [
          "orders"
        ],
        "missing": [],
        "dead_letters": [],
        "error": null
      },
      "sqs": {
        "status": "ok",
        "connected": true,
        "queues": [
          {
            "name": "tasks.fifo",
            "available": 3,
            "in_flight": 2,
            "delayed": 0,
            "dead_letters": {
              "queue": "tasks-dlq.fifo",
              "available": 1
            },
            "error": null
          }
        ],
        "dead_letters": [
          {
            "destination": "sqs:tasks-dlq.fifo",
            "letters": 101,
            "limit": 100,
            "alert": true
          }
        ],
        "error": null
      }
    }
    "#);
    server.stop().await;
}

#[tokio::test]
async fn a_route_that_starts_makes_the_process_alive_and_not_ready() {
    let server = Server::start(true).await;
    let route = server.health.route("price-orders", at(0));
    let live = server.get("/livez").await;
    assert_eq!((live.code, &*live.body), (200, r#"{"status":"ok","stuck":[]}"#));
    let ready = server.get("/readyz").await;
    let expected = r#"{"status":"failing","reasons":["route `price-orders` is starting"]}"#;
    assert_eq!((ready.code, &*ready.body), (503, expected));
    route.report(State::Running, &Account::default(), 0, at(1));
    let ready = server.get("/readyz").await;
    assert_eq!((ready.code, &*ready.body), (200, r#"{"status":"ok","reasons":[]}"#));
    server.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_away_makes_the_process_unready_and_leaves_it_alive() {
    let server = Server::start(true).await;
    server.health.route("price-orders", at(0)).report(State::Running, &Account::default(), 0, at(1));
    server.kafka_is_up.store(false, Ordering::Relaxed);
    let ready = server.get("/readyz").await;
    assert_eq!((ready.code, &*ready.body), (503, r#"{"status":"failing","reasons":["kafka is not connected"]}"#));
    let kafka = server.get("/kafka/health").await;
    let expected = r#"{"status":"failing","connected":false,"expected":["orders"],"missing":[],"dead_letters":[],"error":"connection refused"}"#;
    assert_eq!((kafka.code, &*kafka.body), (503, expected));
    assert_eq!(server.get("/livez").await.code, 200);
    assert_eq!(server.get("/health").await.code, 503);
    server.stop().await;
}

#[tokio::test]
async fn depths_of_queues_are_told() {
    let server = Server::start(true).await;
    let sqs = server.get("/sqs/health").await;
    let queue = r#"{"name":"tasks.fifo","available":3,"in_flight":2,"delayed":0,"dead_letters":{"queue":"tasks-dlq.fifo","available":1},"error":null}"#;
    let letters = r#"{"destination":"sqs:tasks-dlq.fifo","letters":101,"limit":100,"alert":true}"#;
    let expected =
        format!(r#"{{"status":"ok","connected":true,"queues":[{queue}],"dead_letters":[{letters}],"error":null}}"#);
    assert_eq!((sqs.code, &*sqs.body), (200, &*expected));
    server.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_not_configured_is_absent_and_well() {
    let server = Server::start(false).await;
    for path in ["/kafka/health", "/sqs/health"] {
        let answer = server.get(path).await;
        assert_eq!((answer.code, &*answer.body), (200, r#"{"status":"absent"}"#), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_come_as_prometheus_reads_them_and_the_front_page_lists_all_addresses() {
    let server = Server::start(false).await;
    let metrics = server.get("/metrics").await;
    assert_eq!((metrics.code, &*metrics.body), (200, "# TYPE up gauge\nup 1\n"));
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
    let front = server.get("/").await;
    let listed: Vec<&str> = front.body.split_whitespace().filter(|word| word.starts_with('/')).collect();
    assert_eq!(listed.len(), 6);
    for path in listed {
        assert_ne!(server.get(path).await.code, 404, "{path}");
    }
    assert_eq!(server.get("/elsewhere").await.code, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_web_page_cannot_read_it_through_a_name_of_its_own() {
    let server = Server::start(false).await;
    for path in ["/health", "/metrics", "/livez"] {
        let answer = get_as(server.address, path, "rebound.evil.test:9464").await;
        assert_eq!(answer.code, 421, "{path}");
        assert!(answer.body.starts_with("unknown host: rebound.evil.test:9464; expected"), "{}", answer.body);
    }
    assert_eq!(get_as(server.address, "/livez", &server.address.to_string()).await.code, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = Server::start(false).await;
    let probes = Probes { health: Health::new(), metrics: Arc::new(String::new), brokers: Vec::new(), pages: None };
    let error = Admin::new(Config { listen: server.address, hosts: Vec::new() }, probes).bind().await.err().unwrap();
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_sent_away() {
    let server = Server::start(false).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.write_all(b"GET /livez HT").await.unwrap();
    // The connection ends, politely or not.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), silent.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open after a minute");
    server.stop().await;
}

#[tokio::test]
async fn clients_that_stay_do_not_keep_the_process() {
    let server = Server::start(false).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /livez HT").await.unwrap();
    let mut open = TcpStream::connect(server.address).await.unwrap();
    open.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    open.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    // The second client was answered, so the first one's connection is there too.
    // Sooner than a silent client is sent away anyhow.
    let stopped = tokio::time::timeout(Duration::from_secs(10), server.stop()).await;
    assert!(stopped.is_ok(), "still there after ten seconds");
    // What was closed in between requests was closed politely.
    assert!(open.read_to_end(&mut Vec::new()).await.is_ok());
}
