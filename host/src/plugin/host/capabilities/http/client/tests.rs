//! Requests to test servers, with names that resolve as the test says.

mod server;

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::address::Reach;
use super::*;
use server::{Say, Server, say};

/// Each resolution returns the next addresses; the last ones are repeated.
struct Names(Mutex<VecDeque<Vec<IpAddr>>>, Arc<Mutex<Vec<String>>>);

impl Resolve for Names {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.1.lock().unwrap().push(host.to_owned());
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

/// Returns a client with grants for `rules`, whose names resolve to `answers` one after the other, and the list of
/// names that it resolves.
fn resolving(rules: Vec<Rule>, config: Config, answers: &[&[&str]]) -> (Client, Arc<Mutex<Vec<String>>>) {
    let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let names = Names(Mutex::new(answers.iter().map(parse).collect()), Arc::clone(&asked));
    let config = Config { allow: rules, ..config };
    (Client::with("test", config, &Handle::current(), Arc::new(names)).unwrap(), asked)
}

/// A client that reaches `server` by its address.
fn client(server: &Server, config: Config) -> Client {
    let rule = Rule::new(&format!("http://{}", server.address)).unwrap();
    resolving(vec![rule], config, &[&[]]).0
}

fn rule(host: &str, ranges: &[&str]) -> Rule {
    let ranges = ranges.iter().map(|range| range.parse().unwrap()).collect();
    Rule::new(host).unwrap().with_reach(Reach { private: false, ranges })
}

/// Returns status and body, or the address that was not granted, or the error code.
async fn ask(client: &Client, method: &str, url: &str, body: &'static [u8]) -> Result<(u16, Bytes), String> {
    let body = Full::new(Bytes::from_static(body)).map_err(|error| match error {}).boxed_unsync();
    let request = Request::builder().method(method).uri(url).body(body).unwrap();
    let at = client.find(request.method(), request.uri()).map_err(|miss| format!("{miss:?}"))?;
    let answer =
        client.clone().send(at, request, RequestOptions::default(), Duration::MAX).await.map_err(
            |error| match error {
                SendError::Prohibited(address, _) => format!("prohibited {address}"),
                SendError::Failed(error) => format!("{error:?}"),
            },
        )?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
    Ok((status, body.to_bytes()))
}

async fn get(client: &Client, url: &str) -> Result<(u16, Bytes), String> {
    ask(client, "GET", url, b"").await
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_request_goes_out_and_the_next_one_takes_its_connection() {
    let server = Server::start("127.0.0.1:0", |_| say(HELLO)).await;
    let client = client(&server, Config::default());
    for _ in 0..3 {
        assert_eq!(get(&client, &server.url("/x")).await, Ok((200, "hello".into())));
    }
    assert_eq!((server.connections(), server.requests()), (1, 3));
    let posted = ask(&client, "POST", &server.url("/x"), b"something").await;
    assert_eq!(posted, Ok((200, "hello".into())));
    assert!(server.last().ends_with("something") && server.last().starts_with("POST /x HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_name_that_leads_to_what_is_not_public_is_not_connected_to() {
    let server = Server::start("127.0.0.1:0", |_| say(HELLO)).await;
    let port = server.address.port();
    let (name, url) = (format!("http://internal.test:{port}"), format!("http://internal.test:{port}/"));
    for address in ["127.0.0.1", "::ffff:127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "0.0.0.0"] {
        let (client, _) = resolving(vec![rule(&name, &[])], Config::default(), &[&[address]]);
        let shown: IpAddr = address.parse().unwrap();
        assert_eq!(get(&client, &url).await, Err(format!("prohibited {shown}")), "{address}");
    }
    assert_eq!(server.connections(), 0);
    let (client, _) = resolving(vec![rule(&name, &["127.0.0.0/8"])], Config::default(), &[&["10.0.0.1", "127.0.0.1"]]);
    assert_eq!(get(&client, &url).await, Ok((200, "hello".into())), "the one that is granted");
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    // Both servers listen on one port. The name first resolves to the granted address, and later to the other one.
    let granted =
        Server::start("127.0.0.2:0", |_| say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"))
            .await;
    let port = granted.address.port();
    let other = Server::start(&format!("127.0.0.3:{port}"), |_| say(HELLO)).await;
    let (name, url) = (format!("http://rebound.test:{port}"), format!("http://rebound.test:{port}/"));
    let rules = vec![rule(&name, &["127.0.0.2/32"])];
    let (client, asked) = resolving(rules, Config::default(), &[&["127.0.0.2"], &["127.0.0.3"]]);
    assert_eq!(get(&client, &url).await, Ok((200, "ok".into())));
    assert_eq!(*asked.lock().unwrap(), ["rebound.test"], "one question for one connection");
    assert_eq!(get(&client, &url).await, Err("prohibited 127.0.0.3".into()));
    assert_eq!((granted.connections(), other.connections()), (1, 0));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start("127.0.0.1:0", move |_| say(elsewhere)).await;
    let (rules, port) = (vec![rule("http://metadata.test", &[])], server.address.port());
    let rules = [rules, vec![Rule::new(&format!("http://127.0.0.1:{port}")).unwrap()]].concat();
    let (client, asked) = resolving(rules, Config::default(), &[&["169.254.169.254"]]);
    assert_eq!(get(&client, &server.url("/")).await, Ok((302, Bytes::new())));
    assert!(asked.lock().unwrap().is_empty(), "nobody asked for the other place");
    // The next request of the guest, by address and by name.
    assert_eq!(get(&client, "http://169.254.169.254/latest").await, Err("Host".into()));
    assert_eq!(get(&client, "http://metadata.test/latest").await, Err("prohibited 169.254.169.254".into()));
}

#[tokio::test]
async fn an_open_connection_of_one_plugin_is_none_of_another() {
    let server = Server::start("127.0.0.1:0", |_| say(HELLO)).await;
    let port = server.address.port();
    let (name, url) = (format!("http://shared.test:{port}"), format!("http://shared.test:{port}/"));
    let (one, _) = resolving(vec![rule(&name, &["127.0.0.1/32"])], Config::default(), &[&["127.0.0.1"]]);
    let (other, _) = resolving(vec![rule(&name, &[])], Config::default(), &[&["127.0.0.1"]]);
    assert_eq!(get(&one, &url).await, Ok((200, "hello".into())));
    assert_eq!(get(&other, &url).await, Err("prohibited 127.0.0.1".into()));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn bodies_and_heads_have_bounds() {
    let config = Config { request_bytes: 8, response_bytes: 4, ..Config::default() };
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let server = Server::start("127.0.0.1:0", move |head| match head.split(' ').nth(1) {
        Some("/chunked") => say(chunked),
        Some("/head") => say(&format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(BUFFER * 2))),
        Some("/four") => say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour"),
        _ => say(HELLO),
    })
    .await;
    let client = client(&server, config);
    assert_eq!(get(&client, &server.url("/four")).await, Ok((200, "four".into())));
    assert_eq!(get(&client, &server.url("/")).await, Err("HttpResponseBodySize(Some(5))".into()));
    assert_eq!(get(&client, &server.url("/chunked")).await, Err("HttpResponseBodySize(None)".into()));
    assert_eq!(get(&client, &server.url("/head")).await, Err("HttpResponseHeaderSectionSize(None)".into()));
    assert!(ask(&client, "POST", &server.url("/four"), b"12345678").await.is_ok());
    let posted = ask(&client, "POST", &server.url("/four"), b"123456789").await;
    assert_eq!(posted, Err("HttpRequestBodySize(None)".into()));
    // A body without a declared length.
    let frames = [b"12345", b"67890"].map(|bytes| Ok::<_, Error>(Frame::data(Bytes::from_static(bytes))));
    let frames = futures::stream::iter(frames);
    let body = http_body_util::StreamBody::new(frames).boxed_unsync();
    let request = Request::post(server.url("/four")).body(body).unwrap();
    let sent = client.clone().send(0, request, RequestOptions::default(), Duration::MAX).await;
    assert!(matches!(sent, Err(SendError::Failed(Error::HttpRequestBodySize(None)))));
}

#[tokio::test]
async fn what_comes_for_one_request_is_bounded_whatever_it_is() {
    /// The kernel buffers this many bytes at both ends of a connection if nobody reads.
    const KERNEL: usize = 16 << 20;
    let config = || Config { response_bytes: 64 << 10, ..Config::default() };
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (first, piece, error) in [
        ("", "HTTP/1.1 102 Processing\r\n\r\n", "HttpResponseHeaderSectionSize(None)"),
        ("", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", "HttpResponseHeaderSectionSize(None)"),
        (chunks, "0000000000000001\r\nx\r\n", "HttpResponseBodySize(None)"),
    ] {
        let server = Server::start("127.0.0.1:0", |_| Say::Endless(first.into(), piece.into())).await;
        let client = client(&server, config());
        let answer = get(&client, &server.url("/")).await;
        assert_eq!(answer, Err(error.into()), "{piece}");
        assert!(server.endless() < KERNEL, "{} bytes of {piece}", server.endless());
    }
}

#[tokio::test]
async fn a_few_interim_answers_and_many_answers_of_one_connection_are_read() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n".repeat(10);
    let large = "x".repeat(300 << 10);
    let answer = format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{large}", large.len());
    let server = Server::start("127.0.0.1:0", move |_| say(&answer)).await;
    let client = client(&server, Config { response_bytes: 300 << 10, ..Config::default() });
    for _ in 0..10 {
        let (status, body) = get(&client, &server.url("/")).await.unwrap();
        assert_eq!((status, body.len()), (200, 300 << 10));
    }
    assert_eq!(server.connections(), 1);
    // The guest keeps the response that it has read while it reads the next one on the same connection.
    let request = || {
        let body = Full::new(Bytes::new()).map_err(|error| match error {}).boxed_unsync();
        client.clone().send(
            0,
            Request::get(server.url("/")).body(body).unwrap(),
            RequestOptions::default(),
            Duration::MAX,
        )
    };
    let Ok(mut first) = request().await else { panic!("no answer") };
    while first.body_mut().frame().await.is_some() {}
    let Ok(second) = request().await else { panic!("no answer") };
    drop(first);
    assert!(second.into_body().collect().await.is_ok());
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_not_waited_for() {
    let short = Duration::from_millis(50);
    let server = Server::start("127.0.0.1:0", |head| {
        if head.starts_with("GET /half") {
            Say::Part("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe".into())
        } else {
            Say::Nothing
        }
    })
    .await;
    let silent = client(&server, Config { connect_timeout: short, first_byte_timeout: short, ..Config::default() });
    assert_eq!(get(&silent, &server.url("/")).await, Err("HttpResponseTimeout".into()));
    let slow = client(&server, Config { timeout: short, ..Config::default() });
    assert_eq!(get(&slow, &server.url("/half")).await, Err("HttpResponseTimeout".into()));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = resolving(vec![Rule::new(&format!("http://{closed}")).unwrap()], Config::default(), &[&[]]).0;
    assert_eq!(get(&nobody, &format!("http://{closed}/")).await, Err("ConnectionRefused".into()));
}

#[tokio::test]
async fn so_many_requests_at_once_and_no_more() {
    let server = Server::start("127.0.0.1:0", |_| say(HELLO)).await;
    let config = Config { at_once: 1, connect_timeout: Duration::from_millis(50), ..Config::default() };
    let client = client(&server, config);
    let request = || {
        let body = Full::new(Bytes::new()).map_err(|error| match error {}).boxed_unsync();
        client.clone().send(
            0,
            Request::get(server.url("/")).body(body).unwrap(),
            RequestOptions::default(),
            Duration::MAX,
        )
    };
    let Ok(unread) = request().await else { panic!("the first has its place") };
    assert!(matches!(request().await, Err(SendError::Failed(Error::ConnectionLimitReached))));
    drop(unread);
    assert!(request().await.is_ok(), "an answer that nobody reads gives its place back");
}

#[tokio::test]
async fn a_host_that_fails_ten_times_is_left_alone() {
    let server = Server::start("127.0.0.1:0", |head| {
        say(if head.starts_with("GET /well") { HELLO } else { "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n" })
    })
    .await;
    let breaker = BreakerConfig { probe_after: Duration::from_millis(100), ..BreakerConfig::default() };
    let client = client(&server, Config { breaker, ..Config::default() });
    for _ in 0..10 {
        assert_eq!(get(&client, &server.url("/")).await, Ok((503, Bytes::new())));
    }
    assert_eq!(get(&client, &server.url("/well")).await, Err("DestinationUnavailable".into()));
    assert_eq!(server.requests(), 10, "it was not asked");
    let began = std::time::Instant::now();
    while get(&client, &server.url("/well")).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::task::yield_now().await;
    }
    assert_eq!(server.requests(), 11, "the probe went well");
    assert!(get(&client, &server.url("/well")).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_not_talked_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tests/certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tests/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(|_| ())
    });
    let rule = Rule::new(&format!("https://{address}")).unwrap();
    let (client, _) = resolving(vec![rule], Config::default(), &[&[]]);
    assert_eq!(get(&client, &format!("https://{address}/")).await, Err("TlsCertificateError".into()));
    assert!(server.await.unwrap().is_err(), "it heard why, and no request");
}
