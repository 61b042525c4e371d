//! Hosts that are killed, stopped, suspended, added and removed.

use std::time::Instant;

use crate::work::{LONG, SESSION, Work, elapsed};

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_one_of_two_hosts_costs_what_it_had_in_flight() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let mut work = Work::begin(kafka, kafka.bootstrap(), 2).await;
    for host in 0..2 {
        work.go_on(500).await;
        work.fault(1);
        work.hosts[host].kill();
        work.go_on(300).await;
        work.hosts[host].restart();
    }
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_of_one_of_two_hosts_repeats_nothing() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let mut work = Work::begin(kafka, kafka.bootstrap(), 2).await;
    for host in 0..2 {
        work.go_on(500).await;
        let ended = work.hosts[host].stop(LONG).await;
        assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
        assert_eq!(ended.account()["abandoned"], 0, "{}", ended.account());
        work.go_on(300).await;
        work.hosts[host].restart();
    }
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stood_still_past_its_session_commits_nothing_when_it_goes_on() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let mut work = Work::begin(kafka, kafka.bootstrap(), 2).await;
    work.go_on(500).await;
    work.fault(1);
    work.hosts[0].pause();
    elapsed(Instant::now(), 2 * SESSION).await;
    // The other host has all partitions now, and continues.
    work.go_on(300).await;
    let before = work.committed().await;
    work.hosts[0].resume();
    let mut last = before.clone();
    kit::eventually("the work goes on", LONG, async || {
        let now = work.committed().await;
        for (partition, offset) in &now {
            assert!(last.get(partition).is_none_or(|before| before <= offset), "{partition}: {last:?} {now:?}");
        }
        last = now;
        (last.values().sum::<i64>() > before.values().sum::<i64>() + 200).then_some(())
    })
    .await;
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_join_and_leave_disturb_nothing() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let mut work = Work::begin(kafka, kafka.bootstrap(), 2).await;
    for _ in 0..3 {
        work.go_on(200).await;
        work.join();
        work.go_on(300).await;
        let mut leaving = work.hosts.remove(0);
        let ended = leaving.stop(LONG).await;
        assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    }
    work.end().await;
}
