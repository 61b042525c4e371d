//! Access of a plugin to the outside, tested with a component that makes the calls.
//!
//! As in the host, guests run on a runtime without input and output; another runtime makes their requests.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cofferdam::plugin::http::{Client, Config, Rule};
use cofferdam::plugin::{Attempt, Denied, Engine, EngineConfig, Plugin, Refusal, Secrets, Spec, keyvalue};
use cofferdam::telemetry::metrics;
use cofferdam_core::message::{Message, Position, Record};
use cofferdam_core::outcome::{Class, Code, Failure, Outcome};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// The runtime for requests.
static OUTSIDE: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

/// The runtime for guests.
static GUESTS: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime"));

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(EngineConfig { instances: 50, ..EngineConfig::default() }).expect("a sandbox"));

/// Returns the settings of the plugin `name`, with grants for these hosts and the bucket `caller`.
fn spec(name: &str, hosts: &[&str]) -> Spec {
    let allow = hosts.iter().map(|host| Rule::new(host).expect("a host")).collect();
    let client = Client::new(name, Config { allow, ..Config::default() }, OUTSIDE.handle()).expect("tls");
    let bucket = keyvalue::Store::in_memory().bucket("caller");
    Spec { http: Some(client), keyvalue: Some(bucket), ..Spec::new(name) }
}

fn load(spec: Spec) -> Arc<Plugin> {
    Arc::new(Plugin::open(&ENGINE, &kit::guest("caller"), spec).expect("it loads"))
}

fn handle(plugin: &Arc<Plugin>, what: &Value) -> Attempt {
    let record = Record {
        source: "test".into(),
        position: Position::Offset { partition: 0, offset: 0 },
        key: None,
        headers: Default::default(),
        payload: Some(Bytes::from(what.to_string())),
        timestamp_ms: None,
    };
    let message = Message { id: "1".into(), ..Arc::new(record).into() };
    let plugin = Arc::clone(plugin);
    GUESTS.block_on(async { tokio::spawn(async move { plugin.handle(&message, 1).await }).await }).expect("no panic")
}

/// Returns the answer of the plugin.
#[track_caller]
fn answer(attempt: &Attempt) -> Value {
    let Outcome::Done(outputs) = &attempt.outcome else { panic!("{attempt:?}") };
    serde_json::from_slice(outputs[0].payload.as_ref().expect("a payload")).expect("json")
}

#[track_caller]
fn failed(attempt: &Attempt) -> &Failure {
    let Outcome::Failed(failure) = &attempt.outcome else { panic!("{attempt:?}") };
    failure
}

/// A server for a few requests, each on its own connection; `/hang` never answers.
struct Server {
    address: SocketAddr,
    /// Number of open connections.
    open: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, open) = (listener.local_addr().expect("an address"), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&open);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let open = Arc::clone(&counted);
                open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // If the connection fails here, the guest sees the failure too.
                    let _ = talk(stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, open }
    }

    fn host(&self) -> String {
        format!("http://{}", self.address)
    }

    fn fetch(&self, path: &str) -> Value {
        json!({ "do": "fetch", "url": format!("{}{path}", self.host()) })
    }
}

fn talk(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece)?;
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(());
            }
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break (head.to_owned(), length);
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default();
    if path.starts_with("/hang") || path == "/" {
        return stream.read_to_end(&mut Vec::new()).map(drop);
    }
    let (status, more, body) = match path {
        "/away" => ("302 Found", "location: http://169.254.169.254/latest/meta-data\r\n", String::new()),
        "/large" => ("200 OK", "", "x".repeat(300_000)),
        _ => ("200 OK", "", format!("{} of {length}", head.split(' ').next().unwrap_or_default())),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{more}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[test]
fn what_is_imported_and_not_granted_is_refused_by_name_and_counted() {
    let metrics = metrics::install().expect("metrics");
    let refused = Plugin::open(&ENGINE, &kit::guest("caller"), Spec { http: None, ..spec("unasked", &[]) });
    let error = refused.expect_err("it imports http");
    let Refusal::NotGranted { missing } = &error.refusal else { panic!("{error}") };
    assert!(missing.len() == 1 && missing[0].import.starts_with("wasi:http/"), "{error}");
    assert!(error.remedy().contains("capabilities = { http = [\"<host>\"] }"), "{}", error.remedy());
    let line = r#"cofferdam_capability_denied_total{plugin="unasked",capability="http",reason="import"} 1"#;
    assert!(metrics.render().contains(line), "{}", metrics.render());
}

#[test]
fn all_grants_that_are_missing_are_named_at_once() {
    let refused =
        Plugin::open(&ENGINE, &kit::guest("caller"), Spec { http: None, keyvalue: None, ..spec("poor", &[]) });
    let error = refused.expect_err("it imports both");
    assert!(error.to_string().contains("wasi:http/") && error.to_string().contains("wasi:keyvalue/"), "{error}");
    for grant in ["http = [\"<host>\"]", "keyvalue = \"<name>\""] {
        assert!(error.remedy().starts_with("grant them: ") && error.remedy().contains(grant), "{}", error.remedy());
    }
}

#[test]
fn a_host_that_was_granted_is_asked() {
    let server = Server::start();
    let plugin = load(spec("granted", &[&server.host()]));
    let attempt = handle(&plugin, &server.fetch("/hello"));
    assert_eq!(answer(&attempt), json!({ "status": 200, "body": "GET of 0" }));
    assert!(attempt.usage.host_calls > 5, "its calls count: {:?}", attempt.usage);
    let post =
        json!({ "do": "fetch", "method": "POST", "url": format!("{}/x", server.host()), "body": "y".repeat(100_000) });
    assert_eq!(answer(&handle(&plugin, &post)), json!({ "status": 200, "body": "POST of 100000" }));
    let large = answer(&handle(&plugin, &server.fetch("/large")));
    assert_eq!(large["body"].as_str().map(str::len), Some(300_000));
}

#[test]
fn what_was_not_granted_is_answered_with_an_error_logged_and_counted() {
    let (metrics, server) = (metrics::install().expect("metrics"), Server::start());
    let plugin = load(spec("denied", &[&server.host()]));
    for (method, url, reason) in [
        ("GET", "https://elsewhere.test/secret-path", "host"),
        ("GET", &format!("https://{}/", server.address), "scheme"),
        ("GET", "http://127.0.0.1:1/", "port"),
        ("CONNECT", &format!("{}/", server.host()), "method"),
    ] {
        let attempt = handle(&plugin, &json!({ "do": "fetch", "method": method, "url": url }));
        assert_eq!(answer(&attempt), json!({ "error": "Denied" }), "{url}");
        let line = &attempt.logs.lines[0];
        assert!(&*line.context == "capability_denied" && line.text.contains(reason), "{line:?}");
        assert!(!line.text.contains("secret-path"), "{line:?}");
        let line =
            format!(r#"cofferdam_capability_denied_total{{plugin="denied",capability="http",reason="{reason}"}} 1"#);
        assert!(metrics.render().contains(&line), "{}", metrics.render());
    }
    assert_eq!(server.open.load(Ordering::SeqCst), 0);
}

#[test]
fn a_grant_that_says_so_ends_an_attempt_that_asks_for_more() {
    let plugin = load(Spec { denied: Denied::Fail, ..spec("strict", &["localhost"]) });
    for (what, named) in [
        (json!({ "do": "fetch", "url": "https://elsewhere.test/" }), "elsewhere.test"),
        (json!({ "do": "fetch", "url": "https://localhost/" }), "resolves to"),
        (json!({ "do": "open", "bucket": "others" }), "others"),
    ] {
        let attempt = handle(&plugin, &what);
        let failure = failed(&attempt);
        assert_eq!((failure.class, &failure.code), (Class::ContractBroken, &Code::CAPABILITY_DENIED), "{failure:?}");
        assert!(failure.text.contains(named), "{failure:?}");
    }
    let counted = handle(&plugin, &json!({ "do": "count", "name": "n" }));
    assert_eq!(answer(&counted)["sum"], 1, "what was granted goes on");
}

#[test]
fn neither_a_name_nor_a_redirect_leads_inside() {
    let server = Server::start();
    let port = server.address.port();
    let localhost = format!("http://localhost:{port}");
    let plugin = load(spec("inside", &[&server.host(), &localhost, "http://127.1"]));
    for url in [format!("{localhost}/"), "http://127.1/".to_owned()] {
        let attempt = handle(&plugin, &json!({ "do": "fetch", "url": url }));
        assert_eq!(answer(&attempt), json!({ "error": "Denied" }), "{url}");
    }
    let mut away = server.fetch("/away");
    assert_eq!(answer(&handle(&plugin, &away))["status"], 302, "an answer like any other");
    away["follow"] = true.into();
    let attempt = handle(&plugin, &away);
    assert_eq!(answer(&attempt), json!({ "error": "Denied" }));
    assert!(attempt.logs.lines[0].text.contains("169.254.169.254"), "{:?}", attempt.logs);
}

#[test]
fn a_server_that_never_answers_keeps_an_attempt_to_its_wall_time() {
    let server = Server::start();
    let mut spec = spec("hanging", &[&server.host()]);
    spec.limits.wall_time = Duration::from_secs(1);
    let plugin = load(spec);
    // The first message starts the instance.
    answer(&handle(&plugin, &server.fetch("/hello")));
    let began = Instant::now();
    let attempt = handle(&plugin, &json!({ "do": "insist", "url": format!("{}/hang", server.host()) }));
    let failure = failed(&attempt);
    assert_eq!((failure.class, &failure.code), (Class::TimedOut, &Code::TIMEOUT), "{failure:?}");
    let named = format!("(GET {}: no answer within ", server.host());
    assert!(failure.text.contains(&named), "{failure:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    until("the connection is closed", || server.open.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_handler_hears_of_a_server_that_never_answers_before_its_wall_time_is_over() {
    let server = Server::start();
    // All limits have their defaults: 30 s for the head of a response, 5 s for the attempt.
    let plugin = load(spec("patient", &[&server.host()]));
    let hang = || handle(&plugin, &json!({ "do": "need", "url": format!("{}/hang?secret", server.host()) }));
    // A busy machine may stand still for the little time that the handler has then, but not three times in a row.
    let mut attempt = hang();
    for _ in 0..2 {
        if failed(&attempt).class == Class::TimedOut {
            attempt = hang();
        }
    }
    let failure = failed(&attempt);
    assert_eq!((failure.class, failure.code.as_str()), (Class::Retryable, "TIMEOUT"), "{failure:?}");
    let named = format!("no answer in time (GET {}: no answer within ", server.host());
    assert!(failure.text.starts_with(&named) && failure.text.ends_with(" s)"), "{failure:?}");
    // The text does not mention requests of an earlier attempt.
    let denied = handle(&plugin, &json!({ "do": "need", "url": "http://192.0.2.1/" }));
    assert!(!failed(&denied).text.contains("no answer"), "{denied:?}");
}

#[test]
fn a_request_does_not_outlive_the_attempt_that_made_it() {
    let server = Server::start();
    let plugin = load(spec("leaving", &[&server.host()]));
    let attempt = handle(&plugin, &json!({ "do": "leave", "host": server.address.to_string() }));
    assert_eq!(answer(&attempt), json!({ "left": true }));
    // Whether or not the request was already sent.
    until("the connection is closed", || server.open.load(Ordering::SeqCst) == 0);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(300) {
        assert_eq!(server.open.load(Ordering::SeqCst), 0);
        std::thread::yield_now();
    }
}

#[test]
fn a_secret_is_given_and_never_read_in_what_a_plugin_says() {
    let secrets = Secrets::new(BTreeMap::from([("api_key".to_owned(), "hunter2-hunter2".to_owned())]));
    let plugin = load(Spec { secrets, ..spec("telling", &[]) });
    let attempt = handle(&plugin, &json!({ "do": "tell", "secret": "api_key" }));
    let failure = failed(&attempt);
    assert_eq!(&*failure.text, "in the failure: [secret api_key]");
    let lines: Vec<&str> = attempt.logs.lines.iter().map(|line| &*line.text).collect();
    let expected = ["in the log", "on standard output", "on standard error"];
    assert_eq!(lines, expected.map(|place| format!("{place}: [secret api_key]")));
}

/// Everything that the host writes about a plugin, and every way in which the plugin can disclose a secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_nowhere() {
    const WAIT: Duration = Duration::from_secs(60);
    const PLACES: [&str; 9] =
        ["code", "output", "long output", "long attribute", "long line", "lines", "panic", "bucket", "url"];
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (input, errors) = (kafka.topic("told-in", 1).await, kafka.topic("told-errors", 1).await);
    let letters = format!("{input}.dlq");
    kafka.create_topic(&letters, 1).await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let (journal, file) = (folder.path().join("journal"), folder.path().join("cofferdam.toml"));
    let configuration = format!(
        r#"
        service = {{ name = "told" }}
        kafka = {{ bootstrap_servers = "{}" }}
        admin = {{ listen = "127.0.0.1:0" }}
        [plugins.caller]
        path = {:?}
        secrets = {{ word = {{ env = "WORD" }}, lines = {{ env = "LINES" }} }}
        capabilities = {{ keyvalue = "caller", http = [] }}
        [[routes]]
        name = "tell"
        from = {{ kafka = ["{input}"], group = "{input}" }}
        handler = "caller"
        errors = {{ kafka = "{errors}" }}
        retry = {{ max_attempts = 1 }}
        breaker = {{ failures = 0, dead_letters = 0 }}
        outputs = {{ out = {{ kafka = "{errors}" }} }}
        "#,
        kafka.bootstrap(),
        kit::guest("caller"),
    );
    std::fs::write(&file, configuration).expect("a temporary file");
    let command = |arguments: &[&str]| {
        let host = kit::host(arguments).current_dir(folder.path()).env("WORD", "HUNTER2_HUNTER2");
        host.env("LINES", "ab1HUNTER3\nHUNTER4cd").env("COFFERDAM_LOG", "info,cofferdam=trace,plugin=trace")
    };
    let host = command(&["run", "--json", "--journal", &journal.to_string_lossy()]).start();
    let ask = |(place, secret): (&str, &str)| json!({ "do": "tell", "secret": secret, "place": place }).to_string();
    let asked: Vec<String> = PLACES.iter().flat_map(|place| [(*place, "word"), (*place, "lines")]).map(ask).collect();
    kafka.produce(&input, asked.iter().map(|asked| kit::Record::new(asked.as_str()).key("k"))).await;
    let end = i64::try_from(asked.len()).expect("a few");
    kit::eventually("all are settled", WAIT, async || {
        let committed = kafka.committed(&input, &input).await;
        committed.get(&0).is_some_and(|committed| committed.offset == end).then_some(())
    })
    .await;
    let (letters, errors) = (kafka.read_all(&letters).await, kafka.read_all(&errors).await);
    assert!(!letters.is_empty() && !errors.is_empty(), "most places are failures");
    let listening = host.says("admin server is listening", WAIT).await;
    let listening: Value = serde_json::from_str(&listening).expect("a line of JSON");
    let address = listening["address"].as_str().expect("an address");
    let stored = letters.iter().chain(&errors).flat_map(|stored| {
        let headers = stored.headers.iter().filter_map(|(_, value)| value.as_ref());
        headers.chain(&stored.value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    });
    let mut told: Vec<String> = stored.collect();
    told.extend(["metrics", "health"].map(|page| page_of(address, page)));
    let mut host = host;
    let ended = host.stop(WAIT).await;
    told.extend(ended.stdout.into_iter().chain(ended.stderr));
    told.push(std::fs::read_to_string(&journal).expect("a journal"));
    assert!(told.iter().any(|text| text.contains("[secret word]")), "it was about to be told");
    for text in &told {
        assert!(!text.contains("HUNTER"), "{}", &text[text.find("HUNTER").unwrap_or(0).saturating_sub(300)..]);
    }
}

fn page_of(address: &str, page: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("somebody listens");
    let request = format!("GET /{page} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    answer
}

fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::yield_now();
    }
}
