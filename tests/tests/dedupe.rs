//! The stores of handled event ids: the same promises for all four, on real servers, and the behaviour in an outage.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam::dedupe::{Address, Config, Error, Place, Store, WINDOW};
use kit::{eventually, unique};

const WAIT: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(2);

fn ids<T: ToString>(ids: impl IntoIterator<Item = T>) -> Vec<Box<str>> {
    ids.into_iter().map(|id| id.to_string().into()).collect()
}

async fn open(place: &Place, window: Duration) -> Result<Store, Error> {
    Store::open(Config { place: place.clone(), window, timeout: TIMEOUT }).await
}

fn redis_at(url: &str) -> Place {
    Place::Redis { address: Address::redis(url).expect("a url of redis") }
}

fn postgres_at(url: &str) -> Place {
    Place::Postgres { address: Address::postgres(url).expect("a url of postgresql") }
}

/// Tests the promises of every store.
async fn keeps_its_promises(place: Place) {
    let store = open(&place, WINDOW).await.expect("it opens");
    answers_in_the_order_of_the_question(&store).await;
    scopes_do_not_meet(&store).await;
    many_may_record_at_once(&store).await;
    // Only one store at a time can open a file.
    drop(store);
    forgets_after_the_window(&place).await;
}

async fn answers_in_the_order_of_the_question(store: &Store) {
    let scope = &unique("order");
    assert_eq!(store.seen(scope, &[]).await, Ok(vec![]));
    assert_eq!(store.record(scope, &[]).await, Ok(()));
    // Ids come from producers: empty, with a null character, in any language, longer than an index entry, repeated.
    let long = "x".repeat(100_000);
    let known = ids(["", "a\0b", "Ünïcode 🦀", &long, "twice", "twice"]);
    assert_eq!(store.record(scope, &known).await, Ok(()));
    assert_eq!(store.record(scope, &known).await, Ok(()), "recording again is no error");
    let asked = ids(["no", "twice", "", "a", "a\0b", "no", "Ünïcode 🦀", &long, &long[1..], "twice"]);
    let seen = [false, true, true, false, true, false, true, true, false, true];
    assert_eq!(store.seen(scope, &asked).await, Ok(seen.to_vec()));
    let many = ids(0..5_000);
    assert_eq!(store.record(scope, &many).await, Ok(()));
    assert_eq!(store.seen(scope, &many).await, Ok(vec![true; 5_000]));
}

async fn scopes_do_not_meet(store: &Store) {
    let (here, there) = (&unique("here"), &unique("there"));
    assert_eq!(store.record(here, &ids(["1"])).await, Ok(()));
    assert_eq!(store.seen(here, &ids(["1"])).await, Ok(vec![true]));
    assert_eq!(store.seen(there, &ids(["1"])).await, Ok(vec![false]));
}

async fn many_may_record_at_once(store: &Store) {
    let scope = unique("many");
    let recorders = (0..16_usize).map(|recorder| {
        let (store, scope) = (store.clone(), scope.clone());
        tokio::spawn(async move {
            for batch in 0..10 {
                // The same ids that other recorders record now, in another order.
                let mut some = ids((0..50).map(|id| (batch * 50 + id * 7 + recorder) % 500));
                some.rotate_left(recorder);
                store.record(&scope, &some).await?;
            }
            Ok::<(), Error>(())
        })
    });
    for recorder in recorders.collect::<Vec<_>>() {
        assert_eq!(recorder.await.expect("no panic"), Ok(()));
    }
    assert_eq!(store.seen(&scope, &ids(0..500)).await, Ok(vec![true; 500]));
}

async fn forgets_after_the_window(place: &Place) {
    let window = Duration::from_secs(2);
    let store = open(place, window).await.expect("it opens");
    let scope = &unique("window");
    let began = Instant::now();
    store.record(scope, &ids(["old", "again"])).await.expect("recorded");
    let seen = store.seen(scope, &ids(["old", "again"])).await;
    assert!(seen == Ok(vec![true, true]) || began.elapsed() > window, "{seen:?}");
    eventually("half of the window is over", WAIT, async || (began.elapsed() > window / 2).then_some(())).await;
    let again = Instant::now();
    store.record(scope, &ids(["again"])).await.expect("recorded");
    eventually("the id is forgotten", WAIT, async || {
        let seen = store.seen(scope, &ids(["old", "again"])).await.expect("it answers");
        assert!(seen[1] || again.elapsed() > window, "what was recorded anew is known for a whole window from then");
        (!seen[0]).then_some(())
    })
    .await;
    assert!(began.elapsed() >= window, "forgotten after {:?}", began.elapsed());
    store.record(scope, &ids(["old"])).await.expect("recorded");
    assert_eq!(store.seen(scope, &ids(["old"])).await, Ok(vec![true]));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_its_promises_and_its_bound() {
    keeps_its_promises(Place::Memory { capacity: 10_000 }).await;
    let store = open(&Place::Memory { capacity: 100 }, WINDOW).await.expect("it opens");
    for id in 0..1_000 {
        store.record("bound", &ids([id])).await.expect("recorded");
    }
    let expected: Vec<bool> = (0..1_000).map(|id| id >= 900).collect();
    assert_eq!(store.seen("bound", &ids(0..1_000)).await, Ok(expected), "the newest are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_keeps_its_promises_and_is_of_one_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::Disk { path: folder.path().join("made/seen.redb") };
    keeps_its_promises(place.clone()).await;
    let store = open(&place, WINDOW).await.expect("it opens");
    let second = open(&place, WINDOW).await;
    assert!(matches!(second, Err(Error::Unavailable { .. })), "{second:?}");
    store.record("s", &ids(["1"])).await.expect("recorded");
    drop(store);
    let store = open(&place, WINDOW).await.expect("it opens again");
    assert_eq!(store.seen("s", &ids(["1"])).await, Ok(vec![true]));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_its_promises() {
    let Some(redis) = kit::or_say_so(kit::redis().await) else { return };
    keeps_its_promises(redis_at(&redis.url())).await;
    refuses_a_wrong_password(redis_at(&redis.url().replace(":kit@", ":hunter2@"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_its_promises_and_removes_what_is_old() {
    let Some(postgres) = kit::or_say_so(kit::postgres().await) else { return };
    let place = postgres_at(&postgres.url());
    // Hosts that start at the same time create the table once.
    let stores = (0..8).map(|_| {
        tokio::spawn({
            let place = place.clone();
            async move { open(&place, WINDOW).await.map(drop) }
        })
    });
    for opened in stores.collect::<Vec<_>>() {
        assert_eq!(opened.await.expect("no panic"), Ok(()));
    }
    keeps_its_promises(place.clone()).await;
    refuses_a_wrong_password(postgres_at(&postgres.url().replace("kit:kit@", "kit:hunter2@"))).await;

    // A service with a short window beside one with a long window.
    let (long, short) = (&unique("long"), &unique("short"));
    let keeper = open(&place, WINDOW).await.expect("it opens");
    keeper.record(long, &ids(0..100)).await.expect("recorded");
    let store = open(&place, Duration::from_secs(1)).await.expect("it opens");
    store.record(short, &ids(0..5_000)).await.expect("recorded");
    let old =
        || postgres.sql("SELECT count(*) FROM cofferdam_seen WHERE expires < now()").parse::<u32>().expect("a count");
    eventually("the window is over", WAIT, async || (old() >= 5_000).then_some(())).await;
    eventually("old rows are removed while new ones come", WAIT, async || {
        store.record(short, &ids(["new"])).await.expect("recorded");
        (old() == 0).then_some(())
    })
    .await;
    assert_eq!(keeper.seen(long, &ids(0..100)).await, Ok(vec![true; 100]));

    // A role that must not create tables can use the existing one.
    postgres.sql("CREATE ROLE clerk LOGIN PASSWORD 'kit'");
    postgres.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let clerk = postgres_at(&postgres.url().replace("kit:kit@", "clerk:kit@"));
    let refused = open(&clerk, WINDOW).await.expect("the table is there").seen("s", &ids(["1"])).await;
    assert!(matches!(&refused, Err(Error::Refused { reason, .. }) if reason.contains("permission")), "{refused:?}");
    postgres.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON cofferdam_seen TO clerk");
    let store = open(&clerk, WINDOW).await.expect("the table is there");
    assert_eq!(store.record("s", &ids(["1"])).await, Ok(()));
    assert_eq!(store.seen("s", &ids(["1"])).await, Ok(vec![true]));
}

async fn refuses_a_wrong_password(place: Place) {
    let refused = open(&place, WINDOW).await.expect_err("nobody gets in");
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    assert!(!format!("{refused} {refused:?} {place:?}").contains("hunter2"), "{refused}");
}

/// A server that can be stopped and started.
trait Server {
    async fn stop(&mut self);
    async fn start(&mut self);
}

impl Server for kit::Redis {
    async fn stop(&mut self) {
        kit::Redis::stop(self).await;
    }

    async fn start(&mut self) {
        kit::Redis::start(self).await;
    }
}

impl Server for kit::Postgres {
    async fn stop(&mut self) {
        kit::Postgres::stop(self).await;
    }

    async fn start(&mut self) {
        kit::Postgres::start(self).await;
    }
}

/// During an outage calls fail and never return a wrong answer; afterwards they succeed without a restart.
async fn survives_an_outage(place: &Place, server: &mut impl Server) {
    let store = open(place, WINDOW).await.expect("it opens");
    store.record("outage", &ids(["before"])).await.expect("recorded");
    // Calls run all the time, also when the server stops and starts.
    let asking = tokio::spawn({
        let store = store.clone();
        async move {
            let (mut recorded, mut failed) = (Vec::new(), 0);
            for number in 0.. {
                let seen = store.seen("outage", &ids(["before", "never"])).await;
                match seen {
                    Ok(seen) => assert_eq!(seen, [true, false], "question {number}"),
                    Err(error) => assert!(matches!(error, Error::Unavailable { .. }), "{error}"),
                }
                match store.record("outage", &ids([number])).await {
                    Ok(()) => recorded.push(number),
                    Err(error) => {
                        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
                        failed += 1;
                    }
                }
                if failed > 0 && recorded.last() == Some(&number) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            (recorded, failed)
        }
    });
    server.stop().await;
    let began = Instant::now();
    let away = store.seen("outage", &ids(["before"])).await;
    assert!(matches!(away, Err(Error::Unavailable { .. })), "{away:?}");
    let away = store.record("outage", &ids(["during"])).await;
    assert!(matches!(away, Err(Error::Unavailable { .. })), "{away:?}");
    assert!(began.elapsed() < 3 * TIMEOUT, "it does not hang: {:?}", began.elapsed());
    let opened = open(place, WINDOW).await;
    assert!(matches!(opened, Err(Error::Unavailable { .. })), "{opened:?}");
    server.start().await;
    let (recorded, failed) = tokio::time::timeout(WAIT, asking).await.expect("it heals").expect("no wrong answer");
    assert!(failed > 0 && !recorded.is_empty());
    let seen = store.seen("outage", &ids(recorded)).await.expect("it answers");
    assert!(seen.iter().all(|seen| *seen), "what was said to be recorded is");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_go_and_come_and_stand_still() {
    let Some(mut redis) = kit::or_say_so(kit::redis().await) else { return };
    let place = redis_at(&redis.url());
    survives_an_outage(&place, &mut redis).await;

    let store = open(&place, WINDOW).await.expect("it opens");
    redis.pause();
    let stuck = store.seen("outage", &ids(["before"])).await;
    assert!(matches!(stuck, Err(Error::Unavailable { .. })), "{stuck:?}");
    redis.resume();
    let seen = eventually("it answers again", WAIT, async || store.seen("outage", &ids(["before"])).await.ok()).await;
    assert_eq!(seen, [true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_go_and_come() {
    let Some(mut postgres) = kit::or_say_so(kit::postgres().await) else { return };
    survives_an_outage(&postgres_at(&postgres.url()), &mut postgres).await;
}

#[tokio::test]
async fn a_host_whose_store_is_away_does_not_start_and_says_so_without_the_password() {
    let configuration = format!(
        r#"
        service = {{ name = "orders" }}
        kafka = {{ bootstrap_servers = "127.0.0.1:1" }}
        dedupe = {{ store = "redis", url = "redis://me:hunter2@127.0.0.1:1" }}
        [plugins.forward]
        path = "{}"
        config = {{ to = "out" }}
        [[routes]]
        name = "copy"
        from = {{ kafka = ["in"], group = "g" }}
        handler = "forward"
        duplicates = "suppress"
        outputs = {{ out = {{ kafka = "out" }} }}
        "#,
        kit::guest("forward").display()
    );
    let ended = kit::run(&configuration).start().wait(WAIT).await;
    let said = [ended.stdout, ended.stderr].concat().join("\n");
    assert_eq!(ended.status.code(), Some(69), "{said}");
    assert!(said.contains("redis 127.0.0.1:1 is not available"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

/// Passes the file to the child process, which runs this test again.
const CHILD: &str = "DEDUPE_CHILD";

#[test]
fn what_was_recorded_on_disk_is_there_after_kill_9() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Some(path) = std::env::var_os(CHILD) {
        runtime.block_on(record_until_killed(&PathBuf::from(path)));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("seen.redb");
    let mut all = Vec::new();
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().expect("the running test"))
            .args(["--exact", "what_was_recorded_on_disk_is_there_after_kill_9", "--nocapture"])
            .env(CHILD, &path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the running test can be started again");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let recorded = |line: String| line.strip_prefix("recorded ").map(Box::<str>::from);
        all.extend(lines.by_ref().filter_map(recorded).take(200 * round));
        child.kill().expect("it runs until it is killed");
        child.wait().expect("it is gone");
        // Includes lines that were printed and not yet read.
        all.extend(lines.filter_map(recorded));
        let store = runtime.block_on(open(&Place::Disk { path: path.clone() }, WINDOW)).expect("it opens");
        let seen = runtime.block_on(store.seen("killed", &all)).expect("it answers");
        let lost: Vec<_> = all.iter().zip(seen).filter(|(_, seen)| !seen).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?} of {}", all.len());
    }
    assert!(all.len() >= 1_200);
}

async fn record_until_killed(path: &Path) {
    let store = open(&Place::Disk { path: path.into() }, WINDOW).await.expect("it opens");
    let process = std::process::id();
    let recorders = (0..8).map(|recorder| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let id = format!("{process}-{recorder}-{number}");
                store.record("killed", &ids([&id])).await.expect("recorded");
                // A whole line at once, so that a kill cannot leave half a line.
                let mut out = std::io::stdout().lock();
                out.write_all(format!("recorded {id}\n").as_bytes()).and_then(|()| out.flush()).expect("it is read");
            }
        })
    });
    for recorder in recorders.collect::<Vec<_>>() {
        recorder.await.expect("it is killed before");
    }
}
