//! An exceeded limit ends the attempt, and has no other effect.

use std::time::{Duration, Instant};

use super::guest::{Guest, handle as guest, outputs};
use super::imports::{CLOCK, importing};
use super::*;
use crate::plugin::{Limits, Refusal};

/// Returns a guest whose `count` outputs from 131072 on have the payload at 4096, 64 KiB long.
fn many(count: u32, payload: u32) -> Guest {
    guest(&format!(
        "(local.set $at (i32.const 131072))
        (loop $next
            (i32.store8 offset=36 (local.get $at) (i32.const 1))
            (i32.store offset=40 (local.get $at) (i32.const 0))
            (i32.store offset=44 (local.get $at) (i32.const {payload}))
            (local.set $at (i32.add (local.get $at) (i32.const 48)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const {}))))
        {}",
        131_072 + 48 * count,
        outputs(131_072, count)
    ))
}

#[tokio::test]
async fn too_many_outputs_fail_and_just_enough_do_not() {
    let attempt = handle(&many(1000, 0), spec()).await;
    assert_eq!(attempt.outcome.class(), Class::Done);
    let attempt = handle(&many(1001, 0), spec()).await;
    failed(&attempt, Class::ContractBroken, Code::TOO_MANY_OUTPUTS);
}

#[tokio::test]
async fn outputs_over_their_bytes_fail_and_just_under_do_not() {
    let mut spec = spec();
    spec.limits.output_bytes = 640_000;
    let attempt = handle(&many(10, 64_000), spec.clone()).await;
    assert_eq!(attempt.outcome.class(), Class::Done);
    assert_eq!(attempt.usage.output_bytes, 640_000);
    let attempt = handle(&many(10, 64_001), spec).await;
    failed(&attempt, Class::ContractBroken, Code::OUTPUT_TOO_LARGE);
}

#[tokio::test]
async fn outputs_that_share_their_bytes_cannot_fill_the_host() {
    // 1000 times the same 256 KiB, which is the whole memory of the guest.
    let attempt = handle(&many(1000, 262_144), spec()).await;
    let failure = failed(&attempt, Class::ContractBroken, Code::OUTPUT_TOO_LARGE);
    assert!(failure.text.contains("memory"), "refused while it was lifted, not after: {failure:?}");
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_cpu_time() {
    let mut spec = spec();
    spec.limits.cpu_time = Duration::from_millis(30);
    let attempt = handle(&guest("(loop $forever (br $forever))"), spec).await;
    failed(&attempt, Class::TimedOut, Code::CPU_LIMIT);
    assert!((30_000..1_000_000).contains(&attempt.usage.cpu_us), "{:?}", attempt.usage);
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_wall_time() {
    let mut spec = spec();
    spec.limits.wall_time = Duration::from_millis(30);
    let attempt = handle(&guest("(loop $forever (br $forever))"), spec).await;
    failed(&attempt, Class::TimedOut, Code::TIMEOUT);
}

#[tokio::test]
async fn an_endless_loop_at_the_start_ends_too() {
    let mut spec = spec();
    spec.limits.cpu_time = Duration::from_millis(30);
    let mut guest = guest("");
    guest.items = "(func $start (loop $forever (br $forever))) (start $start)".into();
    failed(&handle(&guest, spec).await, Class::TimedOut, Code::CPU_LIMIT);
}

#[tokio::test]
async fn an_endless_loop_around_the_handler_ends_too() {
    const LOOP: &str = "(loop $forever (br $forever))";
    let in_allocator = Guest { realloc: LOOP.into(), ..guest("") };
    let in_post_return = Guest { post_return: LOOP.into(), ..guest("") };
    for guest in [in_allocator, in_post_return] {
        let mut spec = spec();
        spec.limits.cpu_time = Duration::from_millis(30);
        failed(&handle(&guest, spec.clone()).await, Class::TimedOut, Code::CPU_LIMIT);
        spec.limits = Limits { wall_time: Duration::from_millis(30), ..Limits::default() };
        failed(&handle(&guest, spec).await, Class::TimedOut, Code::TIMEOUT);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_runs_lets_others_run() {
    let mut spec = spec();
    spec.limits.wall_time = Duration::from_millis(200);
    let plugin = plugin(&guest("(loop $forever (br $forever))"), spec);
    let started = Instant::now();
    let mut turns = 0;
    let message = message();
    let mut attempt = std::pin::pin!(plugin.handle(&message, 1));
    while futures::poll!(&mut attempt).is_pending() {
        turns += 1;
        tokio::task::yield_now().await;
    }
    assert!(started.elapsed() >= Duration::from_millis(200));
    // About two hundred ticks; far fewer on a busy machine.
    assert!(turns >= 2, "{turns} turns");
}

#[tokio::test]
async fn a_short_call_ends_in_its_first_poll() {
    let plugin = plugin(&guest(""), spec());
    let message = message();
    // The first one starts the instance.
    plugin.handle(&message, 1).await;
    let ready = (0..1000).filter(|_| {
        let mut attempt = std::pin::pin!(plugin.handle(&message, 1));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        attempt.as_mut().poll(&mut context).is_ready()
    });
    assert!(ready.count() > 900);
}

#[tokio::test]
async fn instances_over_the_pool_are_the_hosts_fault() {
    let engine = small_engine(1);
    let mut spec = spec();
    spec.limits.wall_time = Duration::from_millis(50);
    let bytes = guest("(loop $forever (br $forever))").build();
    let plugin = Plugin::load(&engine, &bytes, spec).unwrap();
    let message = message();
    let mut first = std::pin::pin!(plugin.handle(&message, 1));
    assert!(futures::poll!(&mut first).is_pending(), "it holds the only slot");
    failed(&plugin.handle(&message, 1).await, Class::HostFault, Code::PLUGIN_UNAVAILABLE);
    failed(&first.await, Class::TimedOut, Code::TIMEOUT);
    failed(&plugin.handle(&message, 1).await, Class::TimedOut, Code::TIMEOUT);
}

#[tokio::test]
async fn a_plugin_of_many_parts_takes_no_slots_of_others() {
    let engine = small_engine(2);
    let of_parts = |count: usize| {
        let mut guest = guest("(loop $forever (br $forever))");
        guest.imports = "(core module $Part)".into();
        guest.imports += &"(core instance (instantiate $Part))".repeat(count);
        Plugin::load(&engine, &guest.build(), spec())
    };
    let refusal = of_parts(60).expect_err("these are too many").refusal;
    assert!(matches!(refusal, Refusal::DoesNotFit { .. }), "{refusal:?}");
    let (crowd, other) = (of_parts(40).unwrap(), Plugin::load(&engine, &guest("").build(), spec()).unwrap());
    let message = message();
    let mut running = std::pin::pin!(crowd.handle(&message, 1));
    assert!(futures::poll!(&mut running).is_pending(), "it runs");
    assert_eq!(other.handle(&message, 1).await.outcome.class(), Class::Done);
}

#[tokio::test]
async fn a_plugin_that_nobody_calls_gives_up_its_slots() {
    let engine = small_engine(1);
    let load = || Plugin::load(&engine, &guest("").build(), spec()).unwrap();
    let plugins = [load(), load()];
    for _ in 0..3 {
        for plugin in &plugins {
            assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
        }
    }
}

#[tokio::test]
async fn the_call_stack_is_as_deep_as_the_plugin_may_have_it() {
    let mut recursion = guest("(call $deeper (i32.const 4000))");
    recursion.items = "(func $deeper (param $depth i32)
        (if (local.get $depth) (then (call $deeper (i32.sub (local.get $depth) (i32.const 1))) (global.set $sum
            (i32.add (global.get $sum) (local.get $depth))))))
        (global $sum (mut i32) (i32.const 0))"
        .into();
    let mut spec = spec();
    spec.limits.stack = 1 << 20;
    assert_eq!(handle(&recursion, spec.clone()).await.outcome.class(), Class::Done);
    spec.limits.stack = 64 << 10;
    failed(&handle(&recursion, spec).await, Class::Trapped, Code::TRAP_STACK_OVERFLOW);
}

#[tokio::test]
async fn an_instance_is_used_as_often_and_as_long_as_it_may_be() {
    // Traps at its third message.
    let mut guest = guest(
        "(global.set $count (i32.add (global.get $count) (i32.const 1)))
        (if (i32.eq (global.get $count) (i32.const 3)) (then unreachable))",
    );
    guest.items = "(global $count (mut i32) (i32.const 0))".into();
    let classes = |reuse, max_age| {
        let plugin = plugin(&guest, Spec { reuse, max_age, ..spec() });
        async move {
            let mut classes = Vec::new();
            for _ in 0..6 {
                classes.push(plugin.handle(&message(), 1).await.outcome.class());
            }
            classes
        }
    };
    use Class::{Done, Trapped};
    assert_eq!(classes(1, Duration::MAX).await, [Done; 6]);
    assert_eq!(classes(2, Duration::MAX).await, [Done; 6]);
    assert_eq!(classes(3, Duration::MAX).await, [Done, Done, Trapped, Done, Done, Trapped]);
    assert_eq!(classes(3, Duration::ZERO).await, [Done; 6], "each is too old for a second message");
}

#[tokio::test]
async fn an_instance_that_holds_on_to_resources_is_dropped_before_they_fail_a_later_message() {
    let hoarder = importing(
        &[CLOCK],
        "(loop $more
            (drop (call $timer (i64.const 1000000000000)))
            (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 1000))))",
    );
    let plugin = plugin(&hoarder, spec());
    for number in 0..20 {
        let attempt = plugin.handle(&message(), 1).await;
        assert_eq!(attempt.outcome.class(), Class::Done, "message {number}: {attempt:?}");
    }
}

#[tokio::test]
async fn an_instance_that_holds_on_to_its_memory_is_dropped() {
    // Starts with 4 pages of at most 16; grows by 7 at each message.
    let mut spec = spec();
    spec.limits.memory = 16 << 16;
    let plugin = plugin(&guest("(drop (memory.grow (i32.const 7)))"), spec);
    for _ in 0..5 {
        let attempt = plugin.handle(&message(), 1).await;
        assert_eq!(attempt.refused_growths, 0, "it is always a fresh one: 7 pages of 12 are over the mark");
        assert_eq!(attempt.usage.memory_peak_bytes, 11 << 16);
    }
}
