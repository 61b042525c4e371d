//! The order pipeline on Apache Kafka and ElasticMQ: the same totals as on the embedded brokers, every poison message
//! as a dead letter as its table says, every other order priced effectively once, and nothing missing after a stop in
//! the middle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kit::host::Prepared;
use kit::{Ended, Kafka, QueueSpec, Record, Signal, Sqs, Stored, eventually, guest, host};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(120);

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/order-pipeline")
}

fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(example().join(path)).expect("a file of the example");
    serde_json::from_str(&text).expect("JSON")
}

/// One run of the pipeline with its own topics and queues.
struct Pipeline {
    kafka: &'static Kafka,
    sqs: Sqs,
    folder: tempfile::TempDir,
    /// The names in the example, and the names in this run.
    names: BTreeMap<&'static str, String>,
    dead_tasks: kit::Queue,
}

impl Pipeline {
    async fn set_up() -> Option<Self> {
        let kafka = kit::or_say_so(kit::kafka())?;
        let sqs = kit::or_say_so(kit::sqs())?;
        let mut names = BTreeMap::new();
        for topic in ["orders.placed", "orders.placed.dlq", "orders.priced", "processing-errors"] {
            let partitions = if topic.starts_with("orders.p") && !topic.ends_with("dlq") { 3 } else { 1 };
            names.insert(topic, kafka.topic(topic, partitions).await);
        }
        names.insert("processing-errors.dlq", kafka.topic("processing-errors.dlq", 1).await);
        let tasks = sqs.create(QueueSpec::fifo("order-tasks")).await;
        let dead_tasks = sqs.create(QueueSpec::fifo("order-tasks-dlq")).await;
        names.insert("order-tasks.fifo", tasks.name.clone());
        names.insert("order-tasks-dlq.fifo", dead_tasks.name.clone());
        names.insert("order-split", kit::unique("order-split"));
        names.insert("order-close", kit::unique("order-close"));
        let folder = tempfile::tempdir().expect("a folder");
        let pipeline = Self { kafka, sqs, folder, names, dead_tasks };
        pipeline.write_configuration();
        pipeline.produce_input().await;
        Some(pipeline)
    }

    /// Writes the configuration of the example with the names of this run.
    fn write_configuration(&self) {
        let text = std::fs::read_to_string(example().join("cofferdam.toml")).expect("the example's configuration");
        let mut text = text.replace("path = \"../../target/guests/wasm32-wasip2/guest/order_", "path = \"order_");
        for (name, here) in &self.names {
            text = text.replace(&format!("\"{name}\""), &format!("\"{here}\""));
        }
        std::fs::write(self.folder.path().join("cofferdam.toml"), text).expect("written");
        for package in ["order-split", "order-price"] {
            let built = guest(package);
            let name = built.file_name().expect("a file");
            std::fs::copy(&built, self.folder.path().join(name)).expect("copied");
        }
    }

    async fn produce_input(&self) {
        let text = std::fs::read_to_string(example().join("input/orders.placed.jsonl")).expect("the input");
        let records = text.lines().map(|line| {
            let message: Value = serde_json::from_str(line).expect("a message");
            let payload = match &message["payload"] {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            let record = Record::new(payload).key(message["key"].as_str().expect("a key"));
            let headers = message["headers"].as_array().into_iter().flatten();
            headers.fold(record, |record, header| {
                record.header(header[0].as_str().expect("a name"), header[1].as_str().expect("a value"))
            })
        });
        self.kafka.produce(&self.names["orders.placed"], records).await;
    }

    fn run(&self) -> Prepared {
        host(["run", "--json"])
            .current_dir(self.folder.path())
            .env("KAFKA_BOOTSTRAP", self.kafka.bootstrap())
            .env("SQS_ENDPOINT", self.sqs.endpoint())
            .env("ADMIN_LISTEN", "127.0.0.1:0")
    }

    async fn read(&self, topic: &str) -> Vec<Stored> {
        self.kafka.read_all(&self.names[topic]).await
    }

    /// Returns the priced orders by id; the same event twice counts once.
    async fn priced(&self) -> BTreeMap<String, Value> {
        let mut ids = BTreeSet::new();
        let mut orders = BTreeMap::new();
        for record in self.read("orders.priced").await {
            let first = ids.insert(record.header("ce_id").expect("a CloudEvent").to_owned());
            let order = record.key_text().to_owned();
            let before = orders.insert(order.clone(), record.json());
            assert!(before.is_none() || !first, "{order} was priced by two different events");
        }
        orders
    }

    async fn until_priced(&self, count: usize) {
        let _: BTreeMap<String, Value> = eventually("the orders are priced", LONG, async || {
            let priced = self.priced().await;
            (priced.len() >= count).then_some(priced)
        })
        .await;
    }

    /// Returns outcome and code of the dead letters by order id.
    async fn dead_letters(&mut self) -> BTreeMap<String, (String, String)> {
        let mut found = BTreeMap::new();
        for record in self.read("orders.placed.dlq").await {
            let reason = |name| record.header(&format!("cofferdam-dlq-{name}")).expect(name).to_owned();
            found.insert(record.key_text().to_owned(), (reason("outcome"), reason("code")));
        }
        for message in self.sqs.receive_all(&self.dead_tasks).await {
            let attributes = message.message_attributes.unwrap_or_default();
            let reason = attributes["cofferdam-dlq"].string_value().expect("text").to_owned();
            let reason: Value = serde_json::from_str(&reason).expect("JSON");
            let event: Value = serde_json::from_str(&message.body.expect("a body")).expect("JSON");
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            found.insert(text(&event["entityid"]), (text(&reason["outcome"]), text(&reason["code"])));
        }
        found
    }

    async fn assert_all_is_there(&mut self) {
        let expected = json("expected.json");
        let priced = self.priced().await;
        assert_eq!(priced.len() as u64, expected["priced"].as_u64().expect("a count"));
        let cents: u64 = priced.values().map(|order| order["total_cents"].as_u64().expect("a total")).sum();
        assert_eq!(cents, expected["total_cents"].as_u64().expect("a total"));
        let wanted: BTreeMap<String, (String, String)> = expected["dead_letters"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|letter| {
                let text = |name: &str| letter[name].as_str().expect(name).to_owned();
                (text("order"), (text("outcome"), text("code")))
            })
            .collect();
        assert_eq!(self.dead_letters().await, wanted);
    }
}

fn account(ended: &Ended) -> BTreeMap<String, u64> {
    let account = ended.account();
    let fields = account.as_object().expect("an object").iter();
    fields.map(|(name, count)| (name.clone(), count.as_u64().expect("a count"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_real_brokers_the_pipeline_gives_the_account_that_it_gives_in_dev() {
    let Some(mut pipeline) = Pipeline::set_up().await else { return };
    let mut host = pipeline.run().start();
    pipeline.until_priced(990).await;
    // The slowest poison message is still being retried when the last order is priced.
    eventually("all dead letters", LONG, async || (pipeline.read("orders.placed.dlq").await.len() >= 10).then_some(()))
        .await;
    eventually("all error events closed", LONG, async || {
        let committed =
            pipeline.kafka.committed(&pipeline.names["order-close"], &pipeline.names["processing-errors"]).await;
        committed.values().any(|committed| committed.offset >= 11).then_some(())
    })
    .await;
    host.signal(Signal::TERM);
    let ended = host.wait(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    let account = account(&ended);
    for (name, count) in json("expected.json")["account_when_nothing_comes_twice"].as_object().expect("an account") {
        assert_eq!(Some(account[name]), count.as_u64(), "{name} in {account:?}");
    }
    pipeline.assert_all_is_there().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_and_a_second_start_leave_nothing_missing() {
    let Some(mut pipeline) = Pipeline::set_up().await else { return };
    let mut host = pipeline.run().start();
    pipeline.until_priced(100).await;
    host.signal(Signal::TERM);
    let ended = host.wait(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    let first = account(&ended);
    assert!(first["received"] < 4003, "it was stopped in the middle: {first:?}");
    let ends = ["done", "dead_lettered", "ignored", "duplicates", "released", "revoked", "abandoned"];
    assert_eq!(first["received"], ends.iter().map(|end| first[*end]).sum::<u64>(), "{first:?}");

    let mut host = pipeline.run().start();
    pipeline.until_priced(990).await;
    eventually("all dead letters", LONG, async || (pipeline.read("orders.placed.dlq").await.len() >= 10).then_some(()))
        .await;
    host.signal(Signal::TERM);
    let ended = host.wait(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    pipeline.assert_all_is_there().await;
}
