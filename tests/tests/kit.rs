//! Tests of the test kit: other tests rely on what it reports about a broker.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kit::{Gate, Message, QueueSpec, Record};
use rdkafka::producer::{BaseProducer, Producer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_record_of_another_producer_comes_back_with_key_value_and_headers() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(kcat) = kit::or_say_so(kit::program("kcat")) else { return };
    let topic = kafka.topic("kit-kcat", 3).await;

    let arguments = ["-P", "-b", kafka.bootstrap(), "-t", &topic, "-K", "=", "-H", "h=1", "-H", "h=2", "-p", "2"];
    let mut producer = Command::new(kcat).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    producer.stdin.take().unwrap().write_all(b"key=value\n").unwrap();
    assert!(producer.wait().unwrap().success());

    let records = kafka.read_all(&topic).await;
    assert_eq!(records.len(), 1, "{records:?}");
    let record = &records[0];
    assert_eq!((record.key_text(), record.text()), ("key", "value"));
    assert_eq!((record.partition, record.offset), (2, 0));
    let header = |value: &str| ("h".to_owned(), Some(value.as_bytes().to_vec()));
    assert_eq!(record.headers, [header("1"), header("2")]);
    assert!(record.timestamp > 0);
}

#[tokio::test]
async fn another_consumer_reads_what_the_kit_produces() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(kcat) = kit::or_say_so(kit::program("kcat")) else { return };
    let topic = kafka.topic("kit-kcat", 1).await;
    let record = Record::new("value").key("key").header("full", "1").null_header("null").timestamp(1_700_000_000_000);
    let positions = kafka.produce(&topic, [record, Record::tombstone("gone")]).await;
    assert_eq!(positions, [(0, 0), (0, 1)]);

    let format = "%k|%S|%s|%h|%T\\n";
    let arguments = ["-C", "-e", "-q", "-b", kafka.bootstrap(), "-t", &topic, "-f", format];
    let output = Command::new(kcat).args(arguments).output().unwrap();
    let lines: Vec<_> = output.stdout.split(|byte| *byte == b'\n').map(String::from_utf8_lossy).collect();
    assert_eq!(lines[0], "key|5|value|full=1,null=NULL|1700000000000");
    assert!(lines[1].starts_with("gone|-1||"), "{}", lines[1]);
}

#[tokio::test]
async fn what_a_group_commits_is_read_with_its_metadata() {
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
    use rdkafka::{Offset, TopicPartitionList};

    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("kit-commit", 2).await, kit::unique("kit-commit"));
    kafka.produce(&topic, (0..5).map(|n| Record::new(n.to_string()).partition(1))).await;
    assert_eq!(kafka.committed(&group, &topic).await.len(), 0);
    assert_eq!(kafka.ends(&topic).await, [(0, 0), (1, 5)].into());

    let consumer: BaseConsumer = kafka.client().set("group.id", &group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 1, Offset::Offset(3)).unwrap();
    offsets.find_partition(&topic, 1).unwrap().set_metadata("notes");
    tokio::task::spawn_blocking(move || consumer.commit(&offsets, CommitMode::Sync).unwrap()).await.unwrap();

    let committed = kafka.committed(&group, &topic).await;
    assert_eq!(committed.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!((committed[&1].offset, committed[&1].metadata.as_str()), (3, "notes"));
}

#[tokio::test]
async fn fifo_messages_come_back_in_order_with_their_attributes() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("kit")).await;
    for n in ["1", "2", "3"] {
        sqs.send(&queue, Message::new(n).group("g").deduplication(n).attribute("number", n)).await;
    }
    // The same deduplication id again: SQS drops it.
    sqs.send(&queue, Message::new("again").group("g").deduplication("3")).await;
    assert_eq!(sqs.counts(&queue).await.visible, 3);

    let messages = sqs.receive_all(&queue).await;
    let bodies: Vec<_> = messages.iter().filter_map(|message| message.body()).collect();
    assert_eq!(bodies, ["1", "2", "3"]);
    let number = messages[1].message_attributes().and_then(|attributes| attributes["number"].string_value());
    assert_eq!(number, Some("2"));
    assert_eq!(sqs.counts(&queue).await, kit::sqs::Counts::default());
}

#[tokio::test]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let dead = sqs.create(QueueSpec::standard("kit-dead")).await;
    let spec = QueueSpec::standard("kit").dead_letters(&dead, 1).visibility_timeout(Duration::ZERO);
    let queue = sqs.create(spec).await;
    let id = sqs.send(&queue, Message::new("poison")).await;
    assert_eq!(sqs.receive(&queue, Duration::from_secs(5)).await.len(), 1);

    let buried = kit::eventually("the message is moved", Duration::from_secs(20), async || {
        assert_eq!(sqs.receive(&queue, Duration::ZERO).await, []);
        sqs.receive_all(&dead).await.pop()
    })
    .await;
    assert_eq!((buried.body(), buried.message_id()), (Some("poison"), Some(id.as_str())));
}

#[tokio::test]
async fn the_host_runs_as_a_child_and_its_end_is_seen() {
    let help = kit::host(["--help"]).start().wait(Duration::from_secs(20)).await;
    assert_eq!(help.code(), Some(0), "{:?}", help.stderr);
}

#[tokio::test]
#[should_panic(expected = "never true")]
async fn waiting_ends() {
    kit::eventually("never true", Duration::from_millis(10), async || None::<()>).await;
}

#[test]
fn a_crate_of_the_workspace_becomes_a_component() {
    let file = kit::guest("forward");
    let bytes = std::fs::read(&file).unwrap();
    // The magic number of WebAssembly, and the version and layer of a component (a plain module has 01 00 00 00).
    assert_eq!(bytes[..8], *b"\0asm\x0d\0\x01\0", "{}", file.display());
    assert_eq!(kit::guest("forward"), file);
}

/// Starts a server that answers each byte with the same byte.
async fn echo() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (mut from, mut to) = connection.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
        }
    });
    address
}

/// Sends the bytes and reads the same number back.
async fn through(connection: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Duration> {
    let began = Instant::now();
    let mut answer = vec![0; bytes.len()];
    let (mut from, mut to) = connection.split();
    let ((), _) = tokio::try_join!(to.write_all(bytes), from.read_exact(&mut answer))?;
    assert_eq!(answer, bytes);
    Ok(began.elapsed())
}

#[tokio::test]
async fn a_gate_delays_throttles_cuts_shuts_and_swallows() {
    let gate = Gate::before(&echo().await).await;
    let mut connection = TcpStream::connect(gate.address()).await.unwrap();
    through(&mut connection, b"quick").await.unwrap();
    assert_eq!(gate.asked(), 5);

    gate.delay(Duration::from_millis(200), Duration::from_millis(300));
    let took = through(&mut connection, b"slow").await.unwrap();
    assert!((500..3_000).contains(&took.as_millis()), "{took:?}");
    gate.delay(Duration::ZERO, Duration::ZERO);
    gate.throttle(Some(100_000));
    let took = through(&mut connection, &[7; 50_000]).await.unwrap();
    assert!((450..3_000).contains(&took.as_millis()), "{took:?}");
    gate.throttle(None);

    gate.swallow();
    let mut new = TcpStream::connect(gate.address()).await.expect("it is accepted");
    for connection in [&mut connection, &mut new] {
        let silent = tokio::time::timeout(Duration::from_millis(300), through(connection, b"anybody?")).await;
        assert!(silent.is_err(), "{silent:?}");
    }
    gate.open();
    let mut late = [0; 8];
    connection.read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"anybody?", "a connection that was there goes on");
    let reset = new.read(&mut late).await.unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);

    gate.cut();
    let reset = connection.read(&mut late).await.unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let mut connection = TcpStream::connect(gate.address()).await.unwrap();
    through(&mut connection, b"again").await.unwrap();
    gate.shut();
    assert!(connection.read(&mut late).await.is_err());
    // The connection is refused at once, or at the first byte.
    let refused = async { through(&mut TcpStream::connect(gate.address()).await?, b"never").await };
    assert!(refused.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_ones_own_keeps_its_records_through_a_stop_and_a_crash() {
    let Some(mut kafka) = kit::or_say_so(kit::kafka::private().await) else { return };
    let topic = kafka.topic("kit-private", 1).await;
    kafka.produce(&topic, [Record::new("1")]).await;
    kafka.stop().await;
    kafka.start().await;
    kafka.produce(&topic, [Record::new("2")]).await;
    kafka.kill().await;
    kafka.start().await;

    // A client that connects through the gate gets the address of the gate for later connections.
    let mut config = rdkafka::ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", kafka.through()).create().unwrap();
    let brokers = || {
        let metadata = producer.client().fetch_metadata(None, Duration::from_secs(2)).ok()?;
        metadata.brokers().first().map(|broker| format!("{}:{}", broker.host(), broker.port()))
    };
    assert_eq!(brokers(), Some(kafka.through()));
    kafka.gate().shut();
    assert_eq!(brokers(), None);
    let records = kafka.read_all(&topic).await;
    assert_eq!(records.iter().map(kit::Stored::text).collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_server_of_ones_own_stands_still_and_goes_on() {
    let Some(sqs) = kit::or_say_so(kit::sqs::private().await) else { return };
    let queue = sqs.create(QueueSpec::standard("kit-private")).await;
    sqs.pause();
    let silent = tokio::time::timeout(Duration::from_secs(1), sqs.counts(&queue)).await;
    assert!(silent.is_err(), "{silent:?}");
    sqs.resume();
    assert_eq!(sqs.counts(&queue).await, kit::sqs::Counts::default());
    assert!(sqs.through().starts_with("http://127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_measured_and_started_again_in_its_folder() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = kit::Probe::new(kafka, 1).await;
    let mut host = probe.start(kafka, "");
    let first = host.id();
    probe.outputs(kafka, 0, Duration::from_secs(1)).await;
    kafka.produce(&probe.input, [kit::Probe::ask("k", "echo", 1)]).await;
    probe.outputs(kafka, 1, Duration::from_secs(60)).await;
    assert!(host.memory() > 10 << 20, "{}", host.memory());
    assert!(host.descriptors() > 10, "{}", host.descriptors());
    host.kill();
    host.restart();
    assert_ne!(host.id(), first);
    kafka.produce(&probe.input, [kit::Probe::ask("k", "echo", 2)]).await;
    host.pause();
    host.resume();
    // The first may not be committed yet.
    kit::eventually("the second is handled", Duration::from_secs(60), async || {
        probe.outputs(kafka, 1, Duration::from_secs(1)).await.iter().any(|(_, number)| *number == 2).then_some(())
    })
    .await;
    assert_eq!(host.stop(Duration::from_secs(60)).await.code(), Some(0));
}
