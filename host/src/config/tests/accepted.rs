//! Tests of valid configurations.

use std::time::Duration;

use cofferdam_core::envelope::{Envelope, Wrapping};
use cofferdam_core::route::DeadLetterRule;
use cofferdam_core::source::{Lease, SourceTraits};

use super::super::{Kind, Limits, Redrive, RouteConfig};
use super::{LEAST, changed, parse};
use crate::broker::{kafka, sqs};

/// The example configuration of the interface description, without parts that this version refuses.
const EXAMPLE: &str = r#"
[service]
name = "orders"                        # client.id, dead-letter names, span attributes

[kafka]
bootstrap_servers = "${KAFKA_BOOTSTRAP}"
properties = { "fetch.max.bytes" = "52428800" }   # any librdkafka property the host does not own

[sqs]
region = "eu-west-1"
endpoint = "${SQS_ENDPOINT:-}"         # only for servers other than AWS

[admin]
listen = "127.0.0.1:9464"              # health, metrics, status page

[plugins.price]
path = "price.wasm"                    # or build = "cargo build ..." beside it, for dev
config = { currency = "EUR" }
limits = { memory = "64MiB", wall_time = "5s", cpu_time = "1s", outputs = 1000, output_bytes = "4MiB" }
instances = { reuse = 256 }            # 1 = a fresh instance for every message
capabilities = { keyvalue = "orders" }

[[routes]]
name = "price-orders"
from = { kafka = ["orders.placed"], group = "pricing" }     # or { sqs = "tasks.fifo", visibility_timeout = "60s", max_processing_time = "900s" }
handler = "price"
envelope = "cloudevents"               # json, raw
order = "key"                          # partition, none
delivery = "at_least_once"             # at_most_once, exactly_once
concurrency = 64
commit_interval = "1s"
retry = { max_attempts = 5, initial_delay = "1s", max_delay = "60s", multiplier = 2.0, jitter = 0.2 }
dead_letter = { kafka = "orders.placed.dlq" }               # or { sqs = ... }; default: <topic>.dlq, or the queue's redrive queue
errors = { kafka = "processing-errors" }

[routes.outputs]
priced = { kafka = "orders.priced", key = "{entity_id}" }
tasks  = { sqs = "tasks.fifo", group = "{entity_id}-{task_name}", deduplication = "{output_id}" }
"#;

fn route(added: &str) -> RouteConfig {
    parse(&changed("", added)).unwrap().routes.remove(0)
}

fn from_queue(queue: &str) -> RouteConfig {
    let from = r#"{ kafka = ["orders.placed"], group = "pricing" }"#;
    parse(&changed(from, queue)).unwrap().routes.remove(0)
}

#[test]
fn the_example_of_the_interface_is_read_as_it_says() {
    let config = parse(EXAMPLE).unwrap();
    let kafka = config.kafka.as_ref().unwrap();
    assert_eq!(kafka.bootstrap_servers, "kafka-1:9092,kafka-2:9092");
    assert_eq!(kafka.properties["fetch.max.bytes"], "52428800");
    let sqs = config.sqs.as_ref().unwrap();
    assert_eq!((sqs.region.as_deref(), sqs.endpoint.as_deref()), (Some("eu-west-1"), None));
    let plugin = &config.plugins["price"];
    assert_eq!(plugin.path.to_str(), Some("etc/price.wasm"), "beside the configuration");
    assert_eq!((plugin.config["currency"].as_str(), plugin.capabilities.keyvalue.as_deref()), ("EUR", Some("orders")));
    let route = config.routes[0].route(None);
    assert_eq!((&*route.name, &*route.service, route.group.as_deref()), ("price-orders", "orders", Some("pricing")));
    assert_eq!(route.envelope, Envelope::CloudEvents);
    assert_eq!(route.errors, Some(kafka::topic("processing-errors")));
    assert_eq!(route.outputs["tasks"].destination, sqs::queue("tasks.fifo"));
    assert_eq!(route.outputs["tasks"].group.as_ref().unwrap().to_string(), "{entity_id}-{task_name}");
    assert_eq!(route.outputs["priced"].wrapping, Wrapping::CloudEvents, "as the messages came in");
    let topics = [
        ("orders.placed", Kind::Standard),
        ("orders.placed.dlq", Kind::Error),
        ("orders.priced", Kind::Standard),
        ("processing-errors", Kind::Error),
    ];
    assert_eq!(kafka::topics_of(&config.routes), topics.map(|(name, kind)| (name.to_owned(), kind)).into());
    assert_eq!(sqs::queues_of(&config.routes), ["tasks.fifo".to_owned()].into());
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings[0],
        "etc/cofferdam.toml:37:43: routes[0].outputs.priced.key: {entity_id} is not a CloudEvents attribute; expected \
         a name of a-z and 0-9; did you mean {entityid}?"
    );
    assert_eq!(warnings.len(), 3);
}

#[test]
fn an_output_that_the_route_reads_again_is_a_warning() {
    let of = |topic| {
        let config = parse(&changed("", &format!("outputs = {{ again = {{ kafka = \"{topic}\" }} }}"))).unwrap();
        config.warnings.iter().map(|warning| format!("{}: {}", warning.key, warning.what)).collect::<Vec<_>>()
    };
    let text = "kafka:orders.placed is also a source of this route: its outputs are handled again";
    assert_eq!(of("orders.placed"), [format!("routes[0].outputs.again: {text}")]);
    assert_eq!(of("orders.priced"), [""; 0]);
}

#[test]
fn a_number_or_a_flag_can_come_from_the_environment() {
    let config =
        parse(&changed("", "concurrency = \"${CONCURRENCY}\"\n[topics]\ncreate = \"${CREATE:-false}\"")).unwrap();
    assert_eq!(config.routes[0].route(None).concurrency, 8);
    assert!(!config.topics.create);
}

fn redrive(queue: &str) -> Redrive {
    Redrive { to: sqs::queue(queue), max_receives: Some(3) }
}

#[test]
fn the_default_dead_letter_is_beside_the_topic_or_in_the_redrive_queue_or_the_services_own() {
    assert_eq!(route("").route(None).dead_letter, kafka::letters_beside());
    let queue = |queue: &str| DeadLetterRule::To(sqs::queue(queue));
    let fifo = from_queue(r#"{ sqs = "tasks.fifo" }"#);
    assert_eq!(fifo.dead_letter, None);
    assert_eq!(fifo.route(Some(redrive("tasks-dead.fifo"))).dead_letter, queue("tasks-dead.fifo"));
    assert_eq!(fifo.route(None).dead_letter, queue("orders-dlq.fifo"));
    assert_eq!(from_queue(r#"{ sqs = "tasks" }"#).route(None).dead_letter, queue("orders-dlq"));
}

#[test]
fn a_dead_letter_that_is_named_wins_over_the_redrive_queue() {
    let text = changed(r#"{ kafka = ["orders.placed"], group = "pricing" }"#, r#"{ sqs = "tasks" }"#);
    let config = parse(&format!("{text}dead_letter = {{ kafka = \"tasks.dlq\" }}")).unwrap();
    let named = DeadLetterRule::To(kafka::topic("tasks.dlq"));
    assert_eq!(config.routes[0].route(Some(redrive("tasks-dead"))).dead_letter, named);
}

#[test]
fn the_owner_of_the_host_says_what_a_plugin_may_have_at_most() {
    let memory = |sandbox: &str, limits: &str| {
        let text = changed("[[routes]]", &format!("limits = {{ {limits} }}\n[sandbox]\n{sandbox}\n[[routes]]"));
        parse(&text).map(|config| config.plugins["price"].limits.memory)
    };
    assert_eq!(memory("", "memory = \"256MiB\""), Ok(256 << 20));
    assert!(memory("", "memory = \"257MiB\"").is_err());
    assert_eq!(memory("limits = { memory = \"1GiB\" }", "memory = \"1GiB\""), Ok(1 << 30));
    // A default limit is lowered to the owner's bound.
    assert_eq!(memory("limits = { memory = \"32MiB\" }", ""), Ok(32 << 20));
    let nothing = parse(&changed("[sqs]", "[sandbox]\nlimits = { outputs = 0 }\n[sqs]")).unwrap();
    assert_eq!(nothing.plugins["price"].limits, Limits { outputs: 0, ..Limits::default() });
}

#[test]
fn a_queue_has_a_lease_and_a_limit_on_attempts() {
    let source =
        from_queue(r#"{ sqs = "tasks.fifo", visibility_timeout = "30s", max_processing_time = "5m", wait = "20s" }"#);
    let lease = Lease { length: Duration::from_secs(30), attempt_limit: Duration::from_secs(300) };
    let queue = |lease| SourceTraits::leased_queue(lease, Duration::from_secs(12 * 3_600));
    let limited = SourceTraits { max_receives: Some(3), ..queue(lease) };
    assert_eq!(source.route(Some(redrive("dead"))).source, limited);
    assert_eq!(source.source.wait, Duration::from_secs(20));
    let short = from_queue(r#"{ sqs = "tasks.fifo", visibility_timeout = "6s" }"#);
    assert_eq!(short.source.wait, Duration::from_secs(4), "a message has some of its timeout left when it arrives");
    assert_eq!(from_queue(r#"{ sqs = "tasks.fifo" }"#).route(None).source, queue(Lease::default()));
    assert_eq!(route("").route(None).source, SourceTraits::log());
}

#[test]
fn an_output_leaves_room_for_headers_in_what_its_broker_takes() {
    let outputs = "outputs = { a = { kafka = \"a\" }, b = { sqs = \"b\" }, c = { sqs = \"c\", max_bytes = \"1MiB\" } }";
    let route = route(outputs).route(None);
    let most = |name: &str| route.outputs[name].max_bytes;
    assert_eq!((most("a"), most("b"), most("c")), (1_000_000 - 16_384, 262_144 - 16_384, 1 << 20));
    let text = changed("[sqs]", "properties = { \"message.max.bytes\" = 5000000 }\n[sqs]") + outputs;
    let config = parse(&text).unwrap();
    assert_eq!(config.routes[0].route(None).outputs["a"].max_bytes, 5_000_000 - 16_384);
}

#[test]
fn plain_json_without_paths_has_the_fields_of_the_pipeline() {
    let Envelope::Json(paths) = route("envelope = \"json\"").route(None).envelope else { panic!("not json") };
    assert!(paths.attributes.iter().any(|(name, _)| &**name == "entity_id"));
    let given = "envelope = { json = { id = \"/meta/id\", payload = \"/data\", attributes = { type = \"/type\" }, required = [\"type\"] } }";
    let Envelope::Json(paths) = route(given).route(None).envelope else { panic!("not json") };
    assert_eq!((paths.attributes.len(), paths.required.len(), paths.id.to_string()), (1, 1, "/meta/id".to_owned()));
    assert!(!paths.payload_in_string, "the value itself is the payload where nothing else is said");
    let given = "envelope = { json = { payload = \"/Message\", payload_in_string = true } }";
    let Envelope::Json(paths) = route(given).route(None).envelope else { panic!("not json") };
    assert!(paths.payload_in_string);
}

#[test]
fn a_password_never_shows_in_debug_output() {
    let text = changed("[sqs]", "properties = { \"sasl.password\" = \"hunter2\" }\n[sqs]")
        .replace("path =", "config = { key = \"hunter2\" }\npath =");
    assert!(!format!("{:?}", parse(&text).unwrap()).contains("hunter2"));
}

#[test]
fn values_are_kept_where_the_file_says() {
    use crate::config::Store;
    use crate::server::Address;
    let read = |section: &str| parse(&changed("[sqs]", &format!("[keyvalue]\n{section}\n[sqs]"))).unwrap().keyvalue;
    assert_eq!(parse(LEAST).unwrap().keyvalue.store, Store::Disk);
    assert_eq!((read("").store, read("store = \"memory\"").store), (Store::Disk, Store::Memory));
    let url = "redis://me:hunter2@cache:6379/2";
    let redis = read(&format!("store = \"redis\"\nurl = \"{url}\"\ntimeout = \"1s\""));
    assert_eq!((redis.store.clone(), redis.timeout.as_secs()), (Store::Redis(Address::redis(url).unwrap()), 1));
    assert!(!format!("{redis:?}").contains("hunter2"));
}

#[test]
fn a_plugin_is_granted_what_its_entry_says() {
    use crate::plugin::Denied;
    use crate::plugin::http::{Config as Http, Reach, Rule};
    let granted = |entry: &str| {
        let text = changed("[[routes]]", &format!("capabilities = {{ {entry} }}\n[[routes]]"));
        parse(&text).unwrap().plugins.remove("price").unwrap().capabilities
    };
    let nothing = granted("");
    assert_eq!((nothing.http, nothing.keyvalue, nothing.denied), (None, None, Denied::Error));
    assert_eq!(granted("http = []").http, Some(Http::default()), "loaded, and denied all of it");
    let rule = |host: &str| Rule::new(host).unwrap();
    let list = granted("http = [\"a.test\", { host = \"http://b.test:81\", methods = [\"GET\"] }], denied = \"fail\"");
    let allow = vec![rule("https://A.test:443"), rule("http://b.test:81").with_methods(&["GET".to_owned()]).unwrap()];
    assert_eq!((list.http.unwrap(), list.denied), (Http { allow, ..Http::default() }, Denied::Fail));
    let entry = "{ host = \"c.test\", private = true, addresses = [\"127.0.0.1\", \"fd00::/8\"] }";
    let table =
        granted(&format!("http = {{ allow = [{entry}], at_once = 3, breaker = {{ failures = 5 }} }}")).http.unwrap();
    let ranges = vec!["127.0.0.1/32".parse().unwrap(), "fd00::/8".parse().unwrap()];
    assert_eq!(table.allow, [rule("c.test").with_reach(Reach { private: true, ranges })]);
    assert_eq!((table.at_once, table.breaker.failures, table.breaker.probe_after.as_secs()), (3, 5, 60));
}

#[test]
fn a_secret_comes_from_the_environment_or_a_file_and_is_not_shown() {
    use crate::plugin::Secrets;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "hunter2 of two\nlines\r\n").unwrap();
    let secrets = format!("secrets = {{ a = {{ env = \"API_KEY\" }}, b = {{ file = {file:?} }} }}\n[[routes]]");
    let plugin = parse(&changed("[[routes]]", &secrets)).unwrap().plugins.remove("price").unwrap();
    let expected = [("a", "hunter2"), ("b", "hunter2 of two\nlines")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(plugin.secrets, Secrets::new(expected.into()));
    let shown = format!("{plugin:?}");
    assert!(shown.contains("\"a\"") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn handled_events_are_kept_where_the_file_says() {
    use crate::dedupe::{Address, CAPACITY, Place};
    let read = |section: &str| parse(&changed("[sqs]", &format!("[dedupe]\n{section}\n[sqs]"))).unwrap().dedupe;
    let disk = Place::Disk { path: "etc/.cofferdam/dedupe.redb".into() };
    assert_eq!(parse(LEAST).unwrap().dedupe.place, disk);
    assert_eq!(read("").place, disk);
    assert_eq!(read("store = \"memory\"").place, Place::Memory { capacity: CAPACITY });
    let small = read("store = \"memory\"\ncapacity = 7\nwindow = \"90s\"\ntimeout = \"1s\"");
    assert_eq!((small.place, small.window.as_secs(), small.timeout.as_secs()), (Place::Memory { capacity: 7 }, 90, 1));
    let url = "redis://me:hunter2@cache:6379/2";
    let redis = read(&format!("store = \"redis\"\nurl = \"{url}\""));
    assert_eq!(redis.place, Place::Redis { address: Address::redis(url).unwrap() });
    let url = "postgres://me:hunter2@db/orders";
    let postgres = read(&format!("store = \"postgres\"\nurl = \"{url}\""));
    assert_eq!(postgres.place, Place::Postgres { address: Address::postgres(url).unwrap() });
    assert!(!format!("{redis:?}{postgres:?}").contains("hunter2"));
}

#[test]
fn duplicates_are_suppressed_where_a_route_says_so() {
    assert!(!route("").suppresses_duplicates());
    assert!(route("duplicates = \"suppress\"").suppresses_duplicates());
}

#[test]
fn a_file_with_a_byte_order_mark_or_windows_line_ends_is_read() {
    assert!(parse(&format!("\u{feff}{LEAST}")).is_ok());
    assert!(parse(&LEAST.replace('\n', "\r\n")).is_ok());
}
