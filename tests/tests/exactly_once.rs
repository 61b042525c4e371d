//! Exactly-once on Apache Kafka: a reader of committed records sees each output once and in order, whatever fails.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::kafka::private_in_turn;
use kit::{Gate, Kafka, Probe, Record, Signal, eventually};

const LONG: Duration = Duration::from_secs(120);

/// Use `RECORDS=100000 KILLS=50 cargo test --workspace --test exactly_once` for a long run.
fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

async fn settled(kafka: &Kafka, probe: &Probe) -> i64 {
    kafka.committed(&probe.group, &probe.input).await.values().map(|committed| committed.offset).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_committed_records_sees_each_output_once_and_in_order_through_kills() {
    let Some(kafka) = kit::or_say_so(private_in_turn().await) else { return };
    let mut kafka = kafka.lock().await;
    let (records, kills) = (number("RECORDS", 6_000), number("KILLS", 6));
    let probe = Probe::new(&kafka, 3).await;
    // One in a hundred fails once, one in two hundred fails permanently.
    let what = |number: usize| match number % 200 {
        50 | 150 => "fail",
        199 => "permanent",
        _ => "echo",
    };
    let asked = (0..records).map(|number| Probe::ask(&format!("key-{}", number % 97), what(number), number));
    kafka.produce(&probe.input, asked).await;
    let properties = r#""session.timeout.ms" = "3000", "heartbeat.interval.ms" = "500""#;
    let route = r#"
        delivery = "exactly_once"
        retry = { initial_delay = "10ms" }
    "#;
    let mut hosts: Vec<_> = (0..2).map(|_| probe.host(kafka.bootstrap(), properties, route).start()).collect();
    for kill in 1..=kills {
        let goal = records * kill / (kills + 1);
        eventually("the work goes on", LONG, async || (settled(&kafka, &probe).await >= goal as i64).then_some(()))
            .await;
        match kill % 6 {
            // The broker stops in the middle of transactions.
            0 => {
                kafka.stop().await;
                kafka.start().await;
            }
            _ => hosts[kill % 2].restart(),
        }
    }
    eventually("all is settled", LONG, async || (settled(&kafka, &probe).await == records as i64).then_some(())).await;
    for host in &mut hosts {
        host.signal(Signal::TERM);
    }
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for stored in kafka.read_all(&probe.output).await {
        let number = stored.json()["number"].as_u64().expect("a number");
        seen.entry(stored.key_text().to_owned()).or_default().push(number);
    }
    let mut wanted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for number in (0..records).filter(|number| what(*number) != "permanent") {
        wanted.entry(format!("key-{}", number % 97)).or_default().push(number as u64);
    }
    let broken = wanted.iter().filter(|(key, numbers)| seen.get(*key) != Some(*numbers)).map(|(key, numbers)| {
        let seen = seen.get(key).map(Vec::as_slice).unwrap_or_default();
        let not_rising: Vec<_> = seen.windows(2).filter(|pair| pair[0] >= pair[1]).collect();
        let missing: Vec<_> = numbers.iter().filter(|number| !seen.contains(number)).collect();
        format!("{key}: not rising {not_rising:?}, missing {missing:?}")
    });
    let broken: Vec<String> = broken.collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let refused = (0..records).filter(|number| what(*number) == "permanent").count();
    assert_eq!(kafka.read_all(&probe.dead_letters).await.len(), refused);
    for host in hosts {
        let ended = host.wait(Duration::from_secs(60)).await;
        assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_too_large_becomes_a_dead_letter_and_its_neighbours_do_not() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    kafka.alter_topic(&probe.output, "max.message.bytes", "2000").await;
    let large = |number: usize| match number {
        5 => kit::Record::new(format!(r#"{{"do":"echo","number":5,"rest":"{}"}}"#, "x".repeat(10_000))).key("large"),
        _ => Probe::ask("small", "echo", number),
    };
    kafka.produce(&probe.input, (0..20).map(large)).await;
    let route = r#"delivery = "exactly_once""#;
    let properties = r#""compression.type" = "none""#;
    let mut host = probe.host(kafka.bootstrap(), properties, route).start();
    eventually("all is settled", LONG, async || (settled(kafka, &probe).await == 20).then_some(())).await;
    host.signal(Signal::TERM);
    let numbers: Vec<u64> =
        kafka.read_all(&probe.output).await.iter().filter_map(|stored| stored.json()["number"].as_u64()).collect();
    assert_eq!(numbers, (0..20).filter(|number| *number != 5).collect::<Vec<u64>>());
    let dead = kafka.read_all(&probe.dead_letters).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].key_text(), "large");
    assert_eq!(host.wait(Duration::from_secs(60)).await.code(), Some(0));
}

/// Returns records `numbers` for each of two partitions, with one key per partition.
fn for_both(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Record> {
    let of = |partition: i32, number| Probe::ask(&format!("key-{partition}"), "echo", number).partition(partition);
    numbers.flat_map(move |number| [of(0, number), of(1, number)])
}

/// Returns what a reader of committed records sees of each key, in order.
async fn seen(kafka: &Kafka, probe: &Probe) -> BTreeMap<String, Vec<u64>> {
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for stored in kafka.read_all(&probe.output).await {
        let number = stored.json()["number"].as_u64().expect("a number");
        seen.entry(stored.key_text().to_owned()).or_default().push(number);
    }
    seen
}

fn each_once(numbers: std::ops::Range<u64>) -> BTreeMap<String, Vec<u64>> {
    let all: Vec<u64> = numbers.collect();
    BTreeMap::from([("key-0".to_owned(), all.clone()), ("key-1".to_owned(), all)])
}

const UNANSWERED: &str =
    r#""session.timeout.ms" = "20000", "heartbeat.interval.ms" = "500", "transaction.timeout.ms" = "2000""#;
/// The commit, and the request with which a host finds out its result.
const COMMITS: &[i16] = &[Gate::END_TRANSACTION, Gate::INIT_PRODUCER];
const ROUTE: &str = r#"
    delivery = "exactly_once"
    commit_interval = "1500ms"
    revoke_timeout = "1s"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_not_taken_for_done_where_another_host_commits_the_same_offset() {
    let Some(kafka) = kit::or_say_so(private_in_turn().await) else { return };
    let kafka = kafka.lock().await;
    let probe = Probe::new(&kafka, 2).await;
    let mut hosts = vec![probe.host(&kafka.through(), UNANSWERED, ROUTE).start()];
    kafka.produce(&probe.input, for_both(0..5)).await;
    eventually("all is settled", LONG, async || (settled(&kafka, &probe).await == 10).then_some(())).await;
    // One transaction over both partitions, whose commit does not reach the broker.
    kafka.gate().hold(COMMITS);
    kafka.produce(&probe.input, for_both(5..25)).await;
    eventually("a commit is held back", LONG, async || (kafka.gate().caught() > 0).then_some(())).await;
    // The broker aborts it. Another host gets one of the partitions and handles the same records.
    hosts.push(probe.host(kafka.bootstrap(), UNANSWERED, ROUTE).start());
    eventually("the other host has done its partition", LONG, async || {
        seen(&kafka, &probe).await.values().any(|numbers| numbers.len() == 25).then_some(())
    })
    .await;
    kafka.gate().let_go();
    hosts[0].says("a commit has an unknown result", LONG).await;
    kafka.produce(&probe.input, for_both(25..30)).await;
    eventually("all is settled", LONG, async || (settled(&kafka, &probe).await == 60).then_some(())).await;
    assert_eq!(seen(&kafka, &probe).await, each_once(0..30));
    for mut host in hosts {
        let ended = host.stop(LONG).await;
        assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_known_by_its_mark_and_not_made_again() {
    let Some(kafka) = kit::or_say_so(private_in_turn().await) else { return };
    let kafka = kafka.lock().await;
    let probe = Probe::new(&kafka, 2).await;
    let mut host = probe.host(&kafka.through(), UNANSWERED, ROUTE).start();
    kafka.gate().hold_answers(&[Gate::END_TRANSACTION]);
    kafka.produce(&probe.input, for_both(0..20)).await;
    host.says("a commit has an unknown result", LONG).await;
    kafka.gate().let_go();
    kafka.produce(&probe.input, for_both(20..30)).await;
    eventually("all is settled", LONG, async || (settled(&kafka, &probe).await == 60).then_some(())).await;
    assert_eq!(seen(&kafka, &probe).await, each_once(0..30));
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    assert_eq!(ended.account()["done"], 60, "{}", ended.account());
    assert_eq!(ended.account()["received"], 60, "nothing is read again: {}", ended.account());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_without_a_key_that_a_compacted_topic_refuses_costs_no_neighbour_in_the_transaction() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    kafka.alter_topic(&probe.output, "cleanup.policy", "compact").await;
    let ask = |number: usize| match number {
        3 | 12 => kit::Record::new(format!(r#"{{"do":"echo","number":{number}}}"#)),
        _ => Probe::ask("k", "echo", number),
    };
    kafka.produce(&probe.input, (0..20).map(ask)).await;
    let mut host = probe.host(kafka.bootstrap(), "", r#"delivery = "exactly_once""#).start();
    eventually("all is settled", LONG, async || (settled(kafka, &probe).await == 20).then_some(())).await;
    host.signal(Signal::TERM);
    let numbers: Vec<u64> =
        kafka.read_all(&probe.output).await.iter().filter_map(|stored| stored.json()["number"].as_u64()).collect();
    assert_eq!(numbers, (0..20).filter(|number| ![3, 12].contains(number)).collect::<Vec<u64>>());
    let dead = kafka.read_all(&probe.dead_letters).await;
    assert_eq!(dead.len(), 2);
    let text = dead[0].header("cofferdam-dlq-text").expect("a text");
    assert!(
        text.contains(&probe.output) && text.contains("the topic is compacted and the output has no key"),
        "{text}"
    );
    assert_eq!(host.wait(Duration::from_secs(60)).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_of_one_transactional_id_part_and_do_not_end_each_others_transactions() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 2).await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let storage = folder.path().join("storage");
    let route = format!("{ROUTE}\n[storage]\npath = {:?}", storage.display().to_string());
    let mut hosts = vec![probe.host(kafka.bootstrap(), "", &route).start()];
    kafka.produce(&probe.input, for_both(0..5)).await;
    eventually("all is settled", LONG, async || (settled(kafka, &probe).await == 10).then_some(())).await;
    // The second host finds no lock, as on another machine with the same name.
    std::fs::remove_dir_all(&storage).expect("the folder is there");
    hosts.push(probe.host(kafka.bootstrap(), "", &route).start());
    // A rebalance in the middle of a transaction would end it, too, and stop the intake for a moment.
    hosts[1].says(r#""what":"assigned""#, LONG).await;
    for round in 1..10 {
        kafka.produce(&probe.input, for_both(5 * round..5 * round + 5)).await;
        let goal = 10 * (round as i64 + 1);
        eventually("all is settled", LONG, async || (settled(kafka, &probe).await == goal).then_some(())).await;
    }
    assert_eq!(seen(kafka, &probe).await, each_once(0..50));
    let mut said = Vec::new();
    for mut host in hosts {
        let ended = host.stop(LONG).await;
        assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
        said.extend(ended.stderr);
    }
    let count = |event| said.iter().filter(|line| line.contains(event)).count();
    assert_eq!(count("transactional_id_taken"), 1, "{said:#?}");
    assert_eq!(count("intake_stopped"), 0, "{said:#?}");
}
