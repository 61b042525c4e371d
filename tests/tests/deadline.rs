//! A guest gives its thread back when its time is over.
//!
//! Measured is the part of each poll of the attempt after its deadline, less the time for which the thread was runnable
//! and the machine had no CPU for it. So blocking counts as well as running. A busy machine can also delay the ticker
//! thread; the time for which it waited since the last poll before the deadline is subtracted likewise. Both are zero
//! on an idle machine.
//!
//! A thread of a virtual machine that gets no CPU from its hypervisor looks like a running thread, and the test cannot
//! subtract that. It happens only at times, but a guest that is stopped late is late each time. So one round of three
//! must meet the bound.

use std::pin::pin;
use std::time::{Duration, Instant};

use cofferdam::plugin::{Engine, EngineConfig, Limits, Plugin, Spec};
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Code, Outcome};
use kit::sched::Thread;
use tokio::sync::Mutex;

const ATTEMPTS: usize = 1_000;
const ROUNDS: usize = 3;
const WALL_TIME: Duration = Duration::from_millis(5);
/// Two epoch ticks.
const BOUND: Duration = Duration::from_millis(2);

/// An attempt that exceeds its deadline.
struct Late {
    /// How long it occupied the thread after its deadline, less the delays of the machine.
    held: Duration,
    /// How long after its deadline it ended, by the wall clock.
    over: Duration,
}

async fn attempt(plugin: &Plugin, message: &Message, tickers: &[Thread]) -> Late {
    let own = Thread::own();
    let ticks_waited = || tickers.iter().map(Thread::waited).sum::<Duration>();
    let deadline = Instant::now() + WALL_TIME;
    let (mut held, mut late_ticks) = (Duration::ZERO, ticks_waited());
    let mut handled = pin!(plugin.handle(message, 1));
    let attempt = std::future::poll_fn(|context| {
        if Instant::now() < deadline {
            late_ticks = ticks_waited();
        }
        let (began, waited) = (Instant::now(), own.waited());
        let polled = handled.as_mut().poll(context);
        let after = Instant::now().saturating_duration_since(began.max(deadline));
        held += after.saturating_sub(own.waited().saturating_sub(waited));
        polled
    })
    .await;
    let over = Instant::now().saturating_duration_since(deadline);
    match &attempt.outcome {
        Outcome::Failed(failure) => assert_eq!(failure.code, Code::TIMEOUT, "{failure:?}"),
        Outcome::Done(_) => panic!("it ended well"),
    }
    Late { held: held.saturating_sub(ticks_waited().saturating_sub(late_ticks)), over }
}

async fn thread_is_given_back(what: &str, payload: &str) {
    // The other test has a ticker thread too.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let engine = Engine::new(EngineConfig { instances: 10, ..EngineConfig::default() }).expect("an engine");
    let limits = Limits { wall_time: WALL_TIME, ..Limits::default() };
    let plugin = Plugin::open(&engine, &kit::guest("probe"), Spec { limits, ..Spec::new("probe") }).expect("a plugin");
    let (message, tickers) = (kit::probe::message(payload), Thread::named("epoch"));
    assert!(!tickers.is_empty(), "the thread that ticks has this name");
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let (mut held, mut over) = (Vec::new(), Vec::new());
        for _ in 0..ATTEMPTS {
            let late = attempt(&plugin, &message, &tickers).await;
            held.push(late.held);
            over.push(late.over);
        }
        held.sort();
        over.sort();
        seen.push(format!(
            "{what}: thread held after the deadline {}; over by the clock {}",
            shown(&held),
            shown(&over)
        ));
        println!("{}", seen[seen.len() - 1]);
        // The attempt ends soon after the deadline, not when the host call ends: in half of all attempts the machine is
        // idle.
        if at(&held, 990) <= BOUND && at(&over, 500) < Duration::from_millis(20) {
            return;
        }
    }
    panic!("no round within {BOUND:?} at the 99th percentile: {seen:#?}");
}

fn at(sorted: &[Duration], share: usize) -> Duration {
    sorted[(sorted.len() * share / 1_000).min(sorted.len() - 1)]
}

fn shown(sorted: &[Duration]) -> String {
    format!("p50 {:?}, p99 {:?}, max {:?}", at(sorted, 500), at(sorted, 990), at(sorted, 1_000))
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_loops_gives_its_thread_back_within_two_ticks() {
    thread_is_given_back("loop", r#"{"do": "loop"}"#).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_waits_in_a_host_call_gives_its_thread_back_within_two_ticks() {
    thread_is_given_back("host call", r#"{"do": "sleep", "times": 1}"#).await;
}
