//! Tests of invalid configurations. Snapshots contain every text, because users see them.

use super::super::{Config, Errors};
use super::{LEAST, changed, parse};

fn told(text: &str) -> String {
    parse(text).map_or_else(|errors| errors.to_string(), |_| "accepted".to_owned())
}

/// The text to replace in the minimal configuration, and its replacement.
type Case = (&'static str, &'static str);

fn snapshot(name: &str, cases: &[Case]) {
    let mut all = String::new();
    for (old, new) in cases {
        let answer = told(&changed(old, new));
        assert_ne!(answer, "accepted", "{new}");
        let case = if new.is_empty() { format!("without {old}") } else { (*new).to_owned() };
        all.push_str(&format!("> {}\n{answer}\n\n", case.trim_end().replace('\n', "\n> ")));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, all);
    });
}

const FROM: &str = r#"{ kafka = ["orders.placed"], group = "pricing" }"#;

#[test]
fn syntax_and_values() {
    snapshot(
        "values",
        &[
            ("name = \"orders\"", "name = orders"),
            ("name = \"orders\"", "name = \"orders"),
            ("name = \"orders\"", "name = \"a\"\nname = \"b\""),
            ("handler", "hanlder"),
            ("bootstrap_servers", "bootstrap-servers"),
            ("[sqs]", "[sqsq]"),
            ("", "zzz = 1"),
            ("", "retry = { max_atempts = 3 }"),
            ("name = \"orders\"", "name = 5"),
            ("name = \"orders\"", "name = \"my orders\""),
            ("name = \"orders\"", "name = \"${SERVICE}\""),
            ("name = \"orders\"", "name = \"${SERVICE\""),
            ("name = \"orders\"", "name = \"${MY-SERVICE}\""),
            ("path = \"price.wasm\"", "path = \"\""),
            ("", "concurrency = \"64\""),
            ("", "concurrency = \"${WORDS}\""),
            ("", "concurrency = 0"),
            ("", "concurrency = 99999999999999999999"),
            ("", "concurrency = 1.5"),
            ("", "commit_interval = 1"),
            ("", "commit_interval = \"1 second\""),
            ("", "commit_interval = \"1h\""),
            ("", "retry = { jitter = 1.5 }"),
            ("", "retry = { multiplier = nan }"),
            ("", "retry = \"often\""),
            ("", "max_in_flight = { bytes = \"64MB/s\" }"),
            ("", "max_in_flight = { bytes = true }"),
            ("", "max_in_flight = { bytes = 1 }"),
            ("", "order = \"keys\""),
            ("", "order = true"),
            ("", "[topics]\ncreate = \"yes\""),
            ("", "[topics]\ncreate = \"${WORDS}\""),
        ],
    );
}

#[test]
fn a_key_that_was_renamed_is_refused_with_its_new_name() {
    snapshot(
        "renamed",
        &[
            (FROM, "{ sqs = \"tasks\", lease = \"60s\", visibility_timeout = \"900s\" }"),
            ("", "in_flight = { messages = 100 }"),
            ("", "release_limit = \"10s\""),
            ("", "retry = { same_fault = 2 }"),
        ],
    );
}

#[test]
fn sections() {
    snapshot(
        "sections",
        &[
            ("[service]\nname = \"orders\"", ""),
            ("name = \"orders\"", ""),
            ("name = \"orders\"", "name = \"orders\"\ndrain_limit = \"2h\""),
            ("name = \"orders\"", "name = \"orders\"\nflush_limit = \"0s\""),
            ("bootstrap_servers = \"127.0.0.1:9092\"", ""),
            ("\"127.0.0.1:9092\"", "\"\""),
            ("[sqs]", "properties = { \"group.id\" = \"x\", \"request.required.acks\" = 0, \"client.id\" = \"x\" }"),
            ("[sqs]", "properties = { \"linger.ms\" = [5] }"),
            ("[sqs]", "[sqs]\nsecret_access_key = \"x\""),
            ("\"127.0.0.1:9092\"", "\"kafka-1:9092, kafka-2:70000\""),
            ("\"127.0.0.1:9092\"", "\"SSL://[::1]:0\""),
            ("[sqs]", "[sqs]\nendpoint = \"localhost:9324\""),
            ("[sqs]", "[sqs]\nendpoint = \"http://\""),
            ("[sqs]", "[sqs]\nendpoint = \"http://localhost:70000\""),
            ("", "[admin]\nlisten = \"localhost\""),
            ("", "[storage]\npath = \"\""),
            ("", "[keyvalue]\nstore = \"redis\""),
            ("", "[keyvalue]\nstore = \"redis\"\nurl = \"redis://me:hunter2@cache/nine\"\ntimeout = \"0s\""),
            ("", "[keyvalue]\nurl = \"redis://me:hunter2@cache.example\""),
            ("", "[dedupe]\nstore = \"postgresql\""),
            ("", "[dedupe]\nstore = \"redis\""),
            ("", "[dedupe]\nstore = \"redis\"\nurl = \"cache.example:6379\""),
            ("", "[dedupe]\nstore = \"redis\"\nurl = \"redis://me:hunter2@cache/nine\""),
            ("", "[dedupe]\nstore = \"postgres\"\nurl = \"redis://cache.example\""),
            ("", "[dedupe]\nstore = \"postgres\"\nurl = \"postgres://me:hunter@2@db/orders\""),
            ("", "[dedupe]\nstore = \"postgres\"\nurl = \"${NO_SUCH_URL}\""),
            ("", "[dedupe]\nurl = \"redis://me:hunter2@cache.example\""),
            ("", "[dedupe]\nwindow = \"0s\"\ncapacity = 0\ntimeout = \"1h\"\nstroe = \"disk\""),
            ("", "[topics]\nstandard = { replication = 1, min_insync_replicas = 2 }"),
            ("[plugins.price]\npath = \"price.wasm\"", ""),
            ("[plugins.price]\npath = \"price.wasm\"", "[plugins]"),
            ("[plugins.price]", "[plugins.\"my price\"]"),
            ("path = \"price.wasm\"", "config = { a = [1] }"),
            (
                "[[routes]]",
                "limits = { memory = \"2GiB\", wall_time = \"0s\", stack = \"8MiB\", outputs = -1 }\n[[routes]]",
            ),
            (
                "[[routes]]",
                "limits = { memory = \"512MiB\", wall_time = \"16m\", host_calls = 10_000_001 }\n[[routes]]",
            ),
            (
                "[[routes]]",
                "limits = { cpu_time = \"2s\" }\n[sandbox]\nlimits = { cpu_time = \"1s\", memory = \"2GiB\" }\n[[routes]]",
            ),
            ("[sqs]", "[sandbox]\ncompile = { size = 1, time = \"0s\", memory = \"1MiB\", threads = 8 }\n[sqs]"),
            ("[[routes]]", "instances = { reuse = 0 }\nbatch = { messages = 65, bytes = \"1\" }\n[[routes]]"),
            ("[[routes]]", "capabilities = { keyvalue = \"or ders\", denied = \"ignore\", htpt = [] }\n[[routes]]"),
            ("[[routes]]", "capabilities = { http = \"api.example.com\" }\n[[routes]]"),
            (
                "[[routes]]",
                "capabilities = { http = [\"*.example.com\", \"https://me:hunter2@a.test\", \"a.test/x\", 1] }\n[[routes]]",
            ),
            (
                "[[routes]]",
                "capabilities = { http = [{ methods = [\"GET\"] }, { host = \"a.test\", methods = [\"CONNECT\"] }, \
                 { host = \"a.test\", addresses = [\"10.0.0\"], port = 1 }] }\n[[routes]]",
            ),
            ("[[routes]]", "capabilities = { http = { timeout = \"2h\", at_once = 0, breaker = 10 } }\n[[routes]]"),
            (
                "[[routes]]",
                "config = { a = 1 }\nsecrets = { a = { env = \"NO_SUCH\" }, b = {}, c = \"x\" }\n[[routes]]",
            ),
            ("[[routes]]", "secrets = { d = { file = \"no/such\" }, e = { env = \"SHORT\" } }\n[[routes]]"),
            ("[[routes]]", "[routes]"),
            ("[[routes]]", "routes = []\n[other]"),
        ],
    );
}

#[test]
fn times_and_sizes_that_do_not_fit() {
    snapshot(
        "fit",
        &[
            ("[sqs]", "properties = { \"session.timeout.ms\" = 10000, \"heartbeat.interval.ms\" = 6000 }\n[sqs]"),
            ("[sqs]", "properties = { \"max.poll.interval.ms\" = \"12000\", \"session.timeout.ms\" = 10000 }\n[sqs]"),
            (
                "[sqs]",
                "properties = { \"message.timeout.ms\" = 1000, \"request.timeout.ms\" = 2000, \"linger.ms\" = 1000 }\n[sqs]",
            ),
            ("[sqs]", "properties = { \"queue.buffering.max.kbytes\" = 100, \"fetch.max.bytes\" = 1000 }\n[sqs]"),
            ("", "delivery = \"exactly_once\"\ncommit_interval = \"10s\""),
            (
                "",
                "[[routes]]\nname = \"other\"\nhandler = \"price\"\nfrom = { kafka = [\"b\"], group = \"pricing\" }\n\
                 [kafka.properties]\n\"group.instance.id\" = \"one\"",
            ),
        ],
    );
}

#[test]
fn routes() {
    snapshot(
        "routes",
        &[
            ("name = \"price-orders\"", ""),
            ("handler = \"price\"", ""),
            ("from = { kafka = [\"orders.placed\"], group = \"pricing\" }", ""),
            (FROM, "{ }"),
            (FROM, "\"orders.placed\""),
            (FROM, "{ kafka = [\"a\"], sqs = \"b\", group = \"c\" }"),
            (FROM, "{ kafka = [] , group = \"c\" }"),
            (FROM, "{ kafka = [\"a\", \"a\", \"b c\", 1], group = \"c\" }"),
            (FROM, "{ kafka = [\"a\"] }"),
            (FROM, "{ kafka = [\"a\"], group = \"a b\", visibility_timeout = \"60s\" }"),
            (FROM, "{ sqs = \"tasks.fifo\", group = \"a\" }"),
            (FROM, "{ sqs = \"tasks.queue\" }"),
            (FROM, "{ sqs = \"tasks\", visibility_timeout = \"1500ms\" }"),
            (FROM, "{ sqs = \"tasks\", visibility_timeout = \"10s\", wait = \"20s\" }"),
            (FROM, "{ sqs = \"tasks\", visibility_timeout = \"60s\", max_processing_time = \"30s\" }"),
            (FROM, "{ sqs = \"tasks\" }\ncommit_interval = \"1s\""),
            ("", "delivery = \"exactly once\""),
            ("", "delivery = \"exactly_once\"\ndead_letter = { sqs = \"failed\" }"),
            (FROM, "{ sqs = \"tasks\" }\ndelivery = \"exactly_once\""),
            ("", "delivery = \"exactly_once\"\nduplicates = \"suppress\""),
            ("", "duplicates = \"supress\""),
            ("", "envelope = \"cloudevent\""),
            ("", "envelope = { xml = {} }"),
            ("", "envelope = { json = { id = \"id\" } }"),
            ("", "envelope = { json = { required = [\"entityid\"] } }"),
            ("", "envelope = { json = { payload_in_string = true } }"),
            ("", "accept = []"),
            ("", "accept = [\"order.placed\"]"),
            ("", "codes = { rate_limited = \"retryable\", RATE_LIMITED = \"again\" }"),
            ("", "unrouted = \"drop\""),
            ("", "retry = { initial_delay = \"2m\", max_delay = \"1m\" }"),
            ("", "dead_letter = { }"),
            ("", "dead_letter = { kafka = \"a\", sqs = \"b\" }"),
            ("", "errors = \"processing-errors\""),
            ("", "outputs = { \"my out\" = { kafka = \"a\" } }"),
            ("", "outputs = { a = { kafka = \"a/b\" } }"),
            ("", "outputs = { a = { kafka = \"a\", group = \"{key}\" } }"),
            ("", "outputs = { a = { sqs = \"a\", deduplication = \"{id}\" } }"),
            ("", "outputs = { a = { kafka = \"a\", key = \"{entity\" } }"),
            ("", "outputs = { a = { kafka = \"a\", key = \"{}\" } }"),
            ("", "outputs = { a = { kafka = \"a\", max_bytes = \"2MiB\" } }"),
            ("", "outputs = { a = { kafka = \"a\", envelope = \"json\" } }"),
        ],
    );
}

#[test]
fn what_must_fit_together() {
    snapshot(
        "together",
        &[
            ("handler = \"price\"", "handler = \"prices\""),
            ("handler = \"price\"", "handler = \"split\""),
            ("[kafka]\nbootstrap_servers = \"127.0.0.1:9092\"", ""),
            ("", "[[routes]]\nname = \"price-orders\"\nhandler = \"price\"\nfrom = { sqs = \"tasks\" }"),
            (
                "",
                "[[routes]]\nname = \"b\"\nhandler = \"price\"\nfrom = { kafka = [\"a\", \"^orders.*$\"], group = \"pricing\" }\ndead_letter = { sqs = \"dead\" }",
            ),
            (
                "",
                "[[routes]]\nname = \"b\"\nhandler = \"price\"\nfrom = { sqs = \"tasks\" }\n[[routes]]\nname = \"c\"\nhandler = \"price\"\nfrom = { sqs = \"tasks\" }",
            ),
            ("", "dead_letter = { kafka = \"orders.placed\" }"),
            (FROM, "{ kafka = [\"^orders.*\"], group = \"pricing\" }"),
            (FROM, "{ kafka = [\"^__consumer.*\"], group = \"pricing\" }\ndead_letter = { kafka = \"dead\" }"),
            (FROM, "{ kafka = [\"^(orders\"], group = \"pricing\" }\ndead_letter = { kafka = \"dead\" }"),
            (FROM, "{ kafka = [\"^orders\\\\d+$\"], group = \"pricing\" }\ndead_letter = { kafka = \"dead\" }"),
            (FROM, "{ kafka = [\"^orders[.].*\"], group = \"pricing\" }\ndead_letter = { kafka = \"orders.dlq\" }"),
            (
                FROM,
                "{ kafka = [\"^orders[.]a$\", \"__audit\"], group = \"pricing\" }\ndead_letter = { kafka = \"dead\" }",
            ),
            (FROM, "{ kafka = [\"^orders.*\"], group = \"pricing\" }\ndead_letter = { kafka = \"orders-dead\" }"),
            (FROM, "{ sqs = \"tasks\" }\ndead_letter = { sqs = \"tasks\" }"),
            (FROM, "{ sqs = \"tasks\", visibility_timeout = \"2s\", max_processing_time = \"3s\" }"),
            ("", "envelope = \"json\"\naccept = [\"order.placed\"]"),
            ("", "outputs = { a = { kafka = \"a\", key = \"{entity_id}\", envelope = \"cloudevents\" } }"),
            ("[sqs]", "[plugins.unused]\npath = 5"),
        ],
    );
}

#[test]
fn without_a_section_nothing_can_go_to_its_broker() {
    let text = LEAST.replace("[kafka]\nbootstrap_servers = \"127.0.0.1:9092\"\n[sqs]\n", "");
    let text = format!(
        "{text}dead_letter = {{ sqs = \"dead\" }}\nerrors = {{ kafka = \"errors\" }}\noutputs = {{ a = {{ sqs = \"a\" }} }}"
    );
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("brokers", told(&text));
    });
}

#[test]
fn all_problems_of_a_file_are_told_at_once_and_in_order() {
    let text = changed("handler", "hanlder").replace("path =", "pth =").replace("bootstrap_servers", "servers");
    let lines: Vec<usize> = parse(&text).unwrap_err().problems().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 4, 6, 7, 8, 11]);
}

#[test]
fn for_machines_each_problem_is_a_line() {
    let errors = parse(&changed("handler", "hanlder")).unwrap_err();
    let lines: Vec<String> = errors.lines().map(|line| serde_json::to_string(&line).unwrap()).collect();
    assert_eq!(
        lines[1],
        r#"{"error":{"place":"etc/cofferdam.toml:11:1: routes[0].hanlder","what":"unknown key","remedy":"did you mean \"handler\"?"}}"#
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let load = |bytes: Option<&[u8]>| -> Errors {
        let path = folder.path().join("cofferdam.toml");
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        Config::load(&path, &|_| None).unwrap_err()
    };
    let missing = load(None).to_string();
    assert!(missing.contains("cofferdam.toml: failed to read the configuration: No such file"), "{missing}");
    let binary = load(Some(b"[service]\nname = \"\xff\"")).to_string();
    assert!(binary.contains("line 2 is not UTF-8; save the file as UTF-8"), "{binary}");
    let large = load(Some(&vec![b'#'; 2 << 20])).to_string();
    assert!(large.contains("larger than 1 MiB"), "{large}");
}
