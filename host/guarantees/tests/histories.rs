//! Seeded histories of one to three hosts on a topic, or on a queue with or without leases: whatever happens, the promises
//! hold.
//!
//! `SEED=7 cargo test -p cofferdam-guarantees --test histories replay -- --nocapture` shows one history.
//! `COFFERDAM_SIMULATE_SECONDS` says for how long fresh seeds are tried.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cofferdam_core::route::Guarantee;
use cofferdam_guarantees::simulation::{Options, Total, simulate, simulate_many};

fn expect_kept(total: &Total) {
    if let Some(run) = &total.first_broken {
        panic!("{run}\n{} of {} histories break a promise\n{}", total.broken, total.histories, total.report);
    }
}

#[test]
fn every_promise_is_kept_in_the_histories_of_fixed_seeds() {
    let total = simulate_many(0, &Options::default(), |so_far| so_far.histories == 2_000);
    expect_kept(&total);
}

#[test]
fn every_promise_is_kept_in_histories_of_transactions() {
    let options = Options { delivery: Some(Guarantee::ExactlyOnce), ..Options::default() };
    expect_kept(&simulate_many(0, &options, |so_far| so_far.histories == 500));
}

#[test]
fn every_promise_is_kept_in_fresh_histories() {
    let seconds = std::env::var("COFFERDAM_SIMULATE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let first = u64::try_from(since.as_nanos()).expect("before 2554");
    let (start, time) = (Instant::now(), Duration::from_secs(seconds));
    let total = simulate_many(first, &Options::default(), |_| start.elapsed() > time);
    println!("{} histories in {:?} from seed {first} on\n{}", total.histories, start.elapsed(), total.report);
    expect_kept(&total);
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..20 {
        let [one, other] = [(); 2].map(|()| simulate(seed, &Options::default()));
        assert_eq!(one.facts, other.facts, "seed {seed}");
    }
}

#[test]
fn replay() {
    if let Ok(seed) = std::env::var("SEED") {
        let run = simulate(seed.parse().expect("a number"), &Options::default());
        println!("{run}");
        assert!(run.is_kept());
    }
}
