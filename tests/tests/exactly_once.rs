//! Exactly-once on Apache Kafka: whoever reads committed records sees each output once, in order, whatever dies.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::{Kafka, Probe, Signal, eventually};

const LONG: Duration = Duration::from_secs(120);

/// `RECORDS=100000 KILLS=50 cargo test --workspace --test exactly_once` for a long run.
fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

async fn settled(kafka: &Kafka, probe: &Probe) -> i64 {
    kafka.committed(&probe.group, &probe.input).await.values().map(|committed| committed.offset).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_committed_records_sees_each_output_once_and_in_order_through_kills() {
    let Some(mut kafka) = kit::or_say_so(kit::kafka::private().await) else { return };
    let (records, kills) = (number("RECORDS", 6_000), number("KILLS", 6));
    let probe = Probe::new(&kafka, 3).await;
    // Every hundredth fails once, every two hundredth for good.
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
            // The broker goes away in the middle of transactions.
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
