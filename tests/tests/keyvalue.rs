//! The key-value store on a real Redis: its promises with several hosts and in an outage.

use std::time::{Duration, Instant};

use cofferdam::plugin::keyvalue::{Bucket, Error, PAGE, Store};
use cofferdam::server::{self, Address};
use kit::{Host, Kafka, Record, eventually, guest, run, unique};

const WAIT: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(2);

async fn open(url: &str, prefix: &str) -> Result<Store, server::Error> {
    Store::redis(&Address::redis(url).expect("a url of redis"), TIMEOUT, prefix).await
}

async fn bucket(url: &str, name: &str) -> Bucket {
    open(url, "test").await.expect("it opens").bucket(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_values_as_they_are() {
    let Some(redis) = kit::or_say_so(kit::redis().await) else { return };
    let bucket = bucket(&redis.url(), "values").await;
    let all: Vec<u8> = (0..=255).collect();
    for (key, value) in [("", vec![]), ("all", all), ("a\0b", vec![0, 255]), ("ü🦀 {x}:y", vec![7; 1 << 20])] {
        assert_eq!(bucket.get(key).await, Ok(None));
        bucket.set(key, value.clone()).await.expect("set");
        assert_eq!(bucket.get(key).await, Ok(Some(value.clone())), "{key:?}");
        assert_eq!(bucket.compare_and_swap(key, Some(b"else".to_vec()), vec![]).await, Ok(false));
        assert_eq!(bucket.compare_and_swap(key, Some(value), vec![0]).await, Ok(true));
        assert_eq!(bucket.compare_and_swap(key, None, vec![]).await, Ok(false));
        bucket.delete(key).await.expect("deleted");
        bucket.delete(key).await.expect("well where there is none");
        assert_eq!(bucket.get(key).await, Ok(None));
        assert_eq!(bucket.compare_and_swap(key, None, vec![1]).await, Ok(true));
    }
    assert_eq!(bucket.list_keys(None).await.expect("listed").keys, ["", "a\0b", "all", "ü🦀 {x}:y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_counts_with_all_of_64_bits() {
    let Some(redis) = kit::or_say_so(kit::redis().await) else { return };
    let bucket = bucket(&redis.url(), "counts").await;
    assert_eq!(bucket.increment("n", (1 << 53) + 1).await, Ok((1 << 53) + 1), "no rounding");
    assert_eq!(bucket.increment("n", -1).await, Ok(1 << 53));
    assert_eq!(bucket.increment("most", i64::MAX).await, Ok(i64::MAX));
    assert_eq!(bucket.increment("most", 1).await, Err(Error::Overflow));
    bucket.set("text", b"many".to_vec()).await.expect("set");
    assert_eq!(bucket.increment("text", 1).await, Err(Error::NoNumber));
    assert_eq!(bucket.get("text").await, Ok(Some(b"many".to_vec())));
    assert_eq!(bucket.get("most").await, Ok(Some(i64::MAX.to_string().into_bytes())));
    assert_eq!(bucket.list_keys(None).await.expect("listed").keys, ["most", "n", "text"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_of_redis_do_not_see_each_other_and_come_in_pages() {
    let Some(redis) = kit::or_say_so(kit::redis().await) else { return };
    let (store, other) =
        (open(&redis.url(), "one").await.expect("opens"), open(&redis.url(), "two").await.expect("opens"));
    let (bucket, same_name) = (store.bucket("orders"), other.bucket("orders"));
    let keys: Vec<String> = (0..PAGE + 10).map(|number| format!("key-{number:05}")).collect();
    for key in &keys {
        bucket.set(key, key.clone().into_bytes()).await.expect("set");
    }
    let first = bucket.list_keys(None).await.expect("listed");
    let second = bucket.list_keys(first.cursor.as_deref()).await.expect("listed");
    assert_eq!((first.keys.len(), second.keys.len(), second.cursor), (PAGE, 10, None));
    assert_eq!([first.keys, second.keys].concat(), keys);
    for elsewhere in [same_name, store.bucket("order"), store.bucket("orders:keys")] {
        assert_eq!(elsewhere.get("key-00000").await, Ok(None));
        assert_eq!(elsewhere.list_keys(None).await.expect("listed").keys, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_swap_at_once_one_wins() {
    let Some(redis) = kit::or_say_so(kit::redis().await) else { return };
    for round in 0..50 {
        let key = format!("round-{round}");
        let swappers = (0..8_u8).map(|swapper| {
            let (url, key) = (redis.url(), key.clone());
            tokio::spawn(async move { bucket(&url, "race").await.compare_and_swap(&key, None, vec![swapper]).await })
        });
        let mut winners = Vec::new();
        for (swapper, swapped) in swappers.collect::<Vec<_>>().into_iter().enumerate() {
            if swapped.await.expect("no panic") == Ok(true) {
                winners.push(swapper);
            }
        }
        let kept = bucket(&redis.url(), "race").await.get(&key).await.expect("it answers").expect("a value");
        assert_eq!(winners, [usize::from(kept[0])], "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_says_so_in_time_and_is_found_again() {
    let Some(mut redis) = kit::or_say_so(kit::redis().await) else { return };
    let bucket = bucket(&redis.url(), "away").await;
    assert_eq!(bucket.increment("n", 1).await, Ok(1));
    redis.pause();
    let began = Instant::now();
    let answer = bucket.increment("m", 1).await;
    assert!(matches!(&answer, Err(Error::Failed(text)) if text.contains("127.0.0.1")), "{answer:?}");
    assert!(began.elapsed() < TIMEOUT * 2, "{:?}", began.elapsed());
    redis.resume();
    redis.stop().await;
    assert!(matches!(bucket.get("n").await, Err(Error::Failed(_))));
    redis.start().await;
    eventually("it is found again", WAIT, async || bucket.get("n").await.ok()).await;
    assert_eq!(bucket.increment("n", 1).await, Ok(2));
    let wrong = open(&redis.url().replace(":kit@", ":hunter2@"), "test").await;
    let told = wrong.err().map(|error| format!("{error} {error:?}"));
    assert!(told.as_ref().is_some_and(|told| told.contains("refuses") && !told.contains("hunter2")), "{told:?}");
}

/// Returns one of several hosts that count the keys of `input` in the same bucket.
fn counting(kafka: &Kafka, url: &str, service: &str, input: &str, output: &str) -> Host {
    let (bootstrap, path) = (kafka.bootstrap(), guest("caller"));
    let path = path.display();
    run(&format!(
        r#"
        service = {{ name = "{service}" }}
        kafka = {{ bootstrap_servers = "{bootstrap}" }}
        admin = {{ listen = "" }}
        keyvalue = {{ store = "redis", url = "{url}" }}
        [plugins.caller]
        path = "{path}"
        capabilities = {{ keyvalue = "caller", http = [] }}
        [[routes]]
        name = "count"
        from = {{ kafka = ["{input}"], group = "{service}" }}
        handler = "caller"
        outputs = {{ out = {{ kafka = "{output}" }} }}
        "#
    ))
    .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_share_a_group_share_its_counts() {
    const MESSAGES: usize = 2_000;
    let Some(redis) = kit::or_say_so(kit::redis().await) else { return };
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let service = unique("count");
    let (input, output) = (kafka.topic("count-in", 8).await, kafka.topic("count-out", 1).await);
    let mut hosts = [(); 2].map(|()| counting(kafka, &redis.url(), &service, &input, &output));
    for host in &hosts {
        host.says("\"assigned\"", WAIT).await;
    }
    // Four counters, each increased from every partition.
    let ask = |number: usize| format!(r#"{{"do":"count","name":"entity-{}"}}"#, number % 4);
    kafka.produce(&input, (0..MESSAGES).map(|number| Record::new(ask(number)).key(format!("{number}")))).await;
    let stored = eventually("all are counted", WAIT, async || {
        let stored = kafka.read_all(&output).await;
        (stored.len() >= MESSAGES).then_some(stored)
    })
    .await;
    let bucket = open(&redis.url(), &format!("cofferdam:keyvalue:{service}")).await.expect("opens").bucket("caller");
    for entity in 0..4 {
        let name = format!("entity-{entity}");
        let answers = stored.iter().map(kit::Stored::json).filter(|answer| answer["name"] == *name);
        let mut sums: Vec<i64> = answers.map(|answer| answer["sum"].as_i64().expect("a sum")).collect();
        sums.sort_unstable();
        let each = i64::try_from(MESSAGES / 4).expect("few");
        assert_eq!(sums, (1..=each).collect::<Vec<_>>(), "{name}: each number once");
        assert_eq!(bucket.increment(&name, 0).await, Ok(each));
    }
    for host in &mut hosts {
        let ended = host.stop(WAIT).await;
        assert!(ended.account()["received"].as_u64() > Some(0), "both had a part: {:?}", ended.account());
    }
}
