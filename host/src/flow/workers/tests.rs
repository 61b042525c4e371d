mod native;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cofferdam_core::Order;
use cofferdam_core::envelope::{Envelope, Wrapping};
use cofferdam_core::message::{Position, Record};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::progress;
use cofferdam_core::route::{Bounds, DeadLetterRule, Guarantee, OutputRule};
use cofferdam_core::source::SourceTraits;
use slotmap::SlotMap;
use tokio::runtime::Handle;

use cofferdam_guarantees::simulation;

use super::*;
use crate::admin::Health;
use crate::clock::thread_time;
use crate::flow::pace::LONG;
use crate::plugin::{Engine, EngineConfig, Plugin, Spec};
use crate::stage::Passed;

/// A handler that is controlled by the payload: `d1` returns an output, `l9` loops.
const HANDLER: &str = include_str!("../../verify/hosts/handler.wat");

/// The wall-time limit of a loop: much longer than the rest of a test.
const LOOP: Duration = Duration::from_secs(2);

fn route() -> Route {
    let destination = simulation::topic("out");
    let (wrapping, max_bytes) = (Wrapping::Raw, 1 << 20);
    let out = OutputRule { destination, wrapping, key: None, group: None, deduplication: None, max_bytes };
    Route {
        name: "route".into(),
        service: "service".into(),
        group: None,
        envelope: Envelope::Raw,
        accept: None,
        order: Order::None,
        concurrency: 64,
        bounds: Bounds::default(),
        delivery: Guarantee::default(),
        suppress_duplicates: false,
        breaker: Default::default(),
        commit_interval: Duration::from_secs(1),
        commit_metadata: progress::LIMIT,
        revoke_timeout: Duration::from_secs(10),
        publish_delay: Duration::ZERO,
        broker: "kafka",
        source: SourceTraits::log(),
        policy: Default::default(),
        outputs: BTreeMap::from([("out".into(), out)]),
        dead_letter: DeadLetterRule::To(simulation::topic("dead")),
        errors: None,
    }
}

fn jobs(payloads: &[&str]) -> VecDeque<Job> {
    let mut ids = SlotMap::with_key();
    let record = |payload: &str| Record {
        source: "in".into(),
        position: Position::Offset { partition: 0, offset: 0 },
        key: None,
        headers: Default::default(),
        payload: Some(payload.to_owned().into()),
        timestamp_ms: None,
    };
    let job = |payload: &&str| {
        let record = Arc::new(record(payload));
        Job { id: ids.insert(()), record, opened: None, attempt: 1, event: None }
    };
    payloads.iter().map(job).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_began_on_the_routes_thread_and_does_not_end_there_keeps_neither_it_nor_the_others() {
    let engine = Engine::new(EngineConfig { instances: 10, ..EngineConfig::default() }).unwrap();
    let mut spec = Spec::new("handler");
    (spec.limits.wall_time, spec.limits.cpu_time) = (10 * LOOP, LOOP);
    let plugin = Plugin::load(&engine, &wat::parse_str(HANDLER).unwrap(), spec).unwrap();
    let guests = Guests { quick: Handle::current(), slow: Handle::current() };
    let (handler, clock) = (Arc::new(Slot::new(plugin)), Clock::set());
    let health = Health::new().route("route", clock.now());
    let (workers, mut ended) =
        Workers::new(&Arc::new(route()), handler, None, guests, Vec::new(), Arc::clone(&health), clock);

    let jobs = jobs(&["d1 1", "d1 2", "l9 3", "d1 4", "d1 5"]);
    let ids: Vec<DeliveryId> = jobs.iter().map(|job| job.id).collect();
    let started = Instant::now();
    workers.shared.run_here(jobs);
    assert!(started.elapsed() < LOOP, "the thread was kept for {:?}", started.elapsed());

    let mut told = Vec::new();
    while told.len() < ids.len() {
        for event in ended.recv().await.expect("the workers are there") {
            let Event::Ended(id, ended) = event else { panic!("{event:?}") };
            told.push((id, ended.outcome.class()));
        }
        // The messages before the loop end at once; those after it run concurrently with it.
        assert!(told.len() == ids.len() || started.elapsed() < LOOP, "{told:?}");
    }
    assert_eq!(told.pop(), Some((ids[2], Class::TimedOut)));
    told.sort();
    assert_eq!(told, [0, 1, 3, 4].map(|index| (ids[index], Class::Done)));
    assert!(workers.close(10 * LOOP).await);
}

/// A future that is polled twice: the first poll runs `keeps`, the second reports its thread.
fn work_that(keeps: impl Fn() + Send + 'static, say: mpsc::UnboundedSender<String>) -> BoxFuture<'static, ()> {
    let mut begun = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut begun, true) {
            let _ = say.send(std::thread::current().name().unwrap_or_default().to_owned());
            return Poll::Ready(());
        }
        keeps();
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .boxed()
}

#[test]
fn who_burns_its_thread_goes_on_with_others_of_its_kind_and_who_waited_for_it_does_not() {
    let runtime =
        |name| tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name(name).build().unwrap();
    let (quick, slow, tasks) = (runtime("quick"), runtime("slow"), TaskTracker::new());
    let health = Health::new().route("route", Clock::set().now());
    let goes_on_at = |keeps: fn()| {
        let (say, mut said) = mpsc::unbounded_channel();
        quick.spawn(quick_or_slow(work_that(keeps, say), slow.handle().clone(), tasks.clone(), Arc::clone(&health)));
        said.blocking_recv().unwrap()
    };
    assert_eq!(goes_on_at(|| std::thread::sleep(20 * LONG)), "quick");
    let burn = || {
        let began = thread_time();
        while thread_time() - began < 2 * LONG {}
    };
    assert_eq!(goes_on_at(burn), "slow");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_thread_that_does_not_come_back_and_knows_whose_it_is() {
    let engine = Engine::new(EngineConfig { instances: 10, ..EngineConfig::default() }).unwrap();
    let plugin = Plugin::load(&engine, &wat::parse_str(HANDLER).unwrap(), Spec::new("handler")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let guests = Guests { quick: runtime.handle().clone(), slow: runtime.handle().clone() };
    let (handler, clock) = (Arc::new(Slot::new(plugin)), Clock::set());
    let health = Health::new().route("route", clock.now());
    health.runs("handler");
    let (workers, _ended) =
        Workers::new(&Arc::new(route()), handler, None, guests, Vec::new(), Arc::clone(&health), clock);
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = std::sync::mpsc::channel();
    let keeps = async move {
        begin.send(()).unwrap();
        wait.recv().unwrap();
    };
    workers.shared.spawn_boxed(keeps.boxed());
    begun.recv().unwrap();
    assert!(!workers.close(Duration::from_millis(100)).await);
    let stuck = health.stuck_in_handler(Duration::from_millis(1)).expect("it is seen");
    assert_eq!((&*stuck.route, stuck.plugin.as_deref()), ("route", Some("handler")));
    go_on.send(()).unwrap();
    assert!(workers.close(LOOP * 10).await);
    assert_eq!(health.stuck_in_handler(Duration::ZERO), None);
    runtime.shutdown_background();
}

/// A handler that returns results without outputs for a batch, and traps on a single message. A result has 48 bytes; all
/// zeros mean no outputs.
const BATCH_HANDLER: &str = r#"(module
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
    (func (export "cofferdam:plugin/handler@0.1.0#handle") (param i32) (result i32) (unreachable))
    (func (export "cofferdam:plugin/batch-handler@0.1.0#handle-batch") (param i32 i32) (result i32)
        (i32.store (i32.const 1024) (i32.const 2048))
        (i32.store (i32.const 1028) (local.get 1))
        (i32.const 1024)))"#;

/// A stage that refuses every message while its flag is set.
#[derive(Default)]
struct Door(AtomicBool);

impl Stage for Door {
    fn received<'a>(&'a self, _: &'a Arc<Record>) -> Passed<'a> {
        let is_closed = self.0.load(Ordering::Relaxed);
        let refused = || Err(Failure::new(Class::Revoked, Code::INTERNAL, "closed"));
        Passed::Now(if is_closed { refused() } else { Ok(()) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stage_refuses_reaches_no_plugin_neither_alone_nor_with_others() {
    let engine = Engine::new(EngineConfig { instances: 10, ..EngineConfig::default() }).unwrap();
    let plugin = Plugin::load(&engine, &wat::parse_str(BATCH_HANDLER).unwrap(), Spec::new("handler")).unwrap();
    let guests = Guests { quick: Handle::current(), slow: Handle::current() };
    let (handler, clock, door) = (Arc::new(Slot::new(plugin)), Clock::set(), Arc::new(Door::default()));
    let health = Health::new().route("route", clock.now());
    let (workers, mut ended) =
        Workers::new(&Arc::new(route()), handler, None, guests, vec![door.clone()], health, clock);
    let mut outcomes = async || {
        workers.shared.run_here(jobs(&["1", "2", "3"]));
        let mut outcomes = Vec::new();
        while outcomes.len() < 3 {
            for event in ended.recv().await.expect("the workers are there") {
                let Event::Ended(_, ended) = event else { panic!("{event:?}") };
                outcomes.push(ended.outcome.class());
            }
        }
        outcomes
    };
    assert_eq!(outcomes().await, [Class::Done; 3], "in one call, for one alone traps");
    door.0.store(true, Ordering::Relaxed);
    assert_eq!(outcomes().await, [Class::Revoked; 3]);
}
