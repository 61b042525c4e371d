//! Host calls of a guest, and how it ends when it makes too many or too large ones.

use std::time::{Duration, Instant};

use wasmtime::component::Component;

use super::guest::{Guest, handle as guest, outputs};
use super::imports::{CLOCK, CONFIG, EXIT, Import, LOGGING, RANDOM, STREAMS, importing};
use super::*;
use crate::plugin::load::Loaded;
use crate::plugin::{Contract, Level, LogLine};

/// Sleeps for `milliseconds`.
fn sleep(milliseconds: u64) -> Guest {
    importing(&[CLOCK], &format!("(call $block (call $timer (i64.const {})))", milliseconds * 1_000_000))
}

/// Logs `text` at level `warn` in context `greeting`.
fn log(text: &str, instructions: &str) -> Guest {
    let call =
        format!("(call $log (i32.const 3) (i32.const 2048) (i32.const 8) (i32.const 4096) (i32.const {}))", text.len());
    let mut guest = importing(&[LOGGING], &instructions.replace("LOG", &call));
    let text: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    guest.items = format!(r#"(data (i32.const 2048) "greeting") (data (i32.const 4096) "{text}")"#);
    guest
}

#[tokio::test]
async fn exit_is_an_ending_of_its_own_even_with_success() {
    for (status, how) in [(0, "success"), (1, "failure")] {
        let attempt = handle(&importing(&[EXIT], &format!("(call $exit (i32.const {status}))")), spec()).await;
        let failure = failed(&attempt, Class::ContractBroken, Code::EXITED);
        assert!(failure.text.ends_with(how), "{failure:?}");
    }
}

#[tokio::test]
async fn a_host_function_that_ends_in_an_error_of_its_own_is_a_failed_host_call() {
    let empty_poll = importing(&[CLOCK], "(call $poll (i32.const 0) (i32.const 0) (i32.const 2048))");
    let forged_handle = importing(&[CLOCK], "(call $block (i32.const 77))");
    let too_much = importing(&[RANDOM], "(call $random (i64.const 1000000) (i32.const 2048))");
    let mut no_text = log("x", "LOG");
    no_text.items = r#"(data (i32.const 4096) "\ff")"#.into();
    for guest in [empty_poll, forged_handle, too_much, no_text] {
        let attempt = handle(&guest, spec()).await;
        let failure = failed(&attempt, Class::ContractBroken, Code::HOST_CALL_FAILED);
        assert!(!failure.backtrace.is_empty(), "{failure:?}");
    }
}

#[tokio::test]
async fn arguments_that_share_their_bytes_cannot_fill_the_host() {
    // A line that fills the guest's memory, which is more than a host call may transfer.
    let mut guest = importing(
        &[LOGGING],
        "(call $log (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3000000))",
    );
    guest.memory = Some("64".into());
    let mut spec = spec();
    spec.limits.output_bytes = 1000;
    failed(&handle(&guest, spec).await, Class::ContractBroken, Code::HOST_CALL_FAILED);
}

#[tokio::test]
async fn host_calls_end_at_their_limit() {
    let mut spec = spec();
    spec.limits.host_calls = 100;
    let attempt = handle(&log("again", "(loop $again LOG (br $again))"), spec.clone()).await;
    failed(&attempt, Class::ContractBroken, Code::HOST_CALL_LIMIT);
    assert_eq!(attempt.usage.host_calls, 101, "it ends at the first one too many, not at the next tick");
    assert!(attempt.logs.lines.len() <= 101);
    spec.limits.host_calls = 0;
    let attempt = handle(&log("once", "LOG"), spec.clone()).await;
    failed(&attempt, Class::ContractBroken, Code::HOST_CALL_LIMIT);
    spec.limits.host_calls = 1;
    assert_eq!(handle(&log("once", "LOG"), spec).await.outcome.class(), Class::Done);
}

#[tokio::test]
async fn a_guest_that_waits_in_the_host_ends_at_its_wall_time() {
    let mut spec = spec();
    spec.limits.wall_time = Duration::from_millis(50);
    let started = Instant::now();
    let attempt = handle(&sleep(60_000), spec).await;
    failed(&attempt, Class::TimedOut, Code::TIMEOUT);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(attempt.usage.wall_us >= 50_000 && attempt.usage.cpu_us < 50_000, "{:?}", attempt.usage);
    assert_eq!(attempt.usage.host_calls, 2);
}

#[tokio::test]
async fn waiting_is_not_burning() {
    let mut spec = spec();
    spec.limits.cpu_time = Duration::from_millis(60);
    let attempt = handle(&sleep(200), spec).await;
    assert_eq!(attempt.outcome.class(), Class::Done);
    assert!(attempt.usage.wall_us >= 200_000 && attempt.usage.cpu_us < 60_000, "{:?}", attempt.usage);
}

#[tokio::test]
async fn an_abandoned_call_gives_its_slot_back() {
    let engine = small_engine(1);
    let plugin = Plugin::load(&engine, &sleep(60_000).build(), spec()).unwrap();
    let message = message();
    for _ in 0..3 {
        let mut attempt = Box::pin(plugin.handle(&message, 1));
        assert!(futures::poll!(&mut attempt).is_pending(), "there was a slot, and the guest waits");
    }
}

#[tokio::test]
async fn the_clock_goes_in_steps_of_a_millisecond_and_never_stands_at_zero() {
    let guest = importing(
        &[CLOCK],
        "(if (i64.ne (i64.rem_u (call $now) (i64.const 1000000)) (i64.const 0)) (then unreachable))
         (if (i64.eqz (call $now)) (then unreachable))",
    );
    assert_eq!(handle(&guest, spec()).await.outcome.class(), Class::Done);
}

#[tokio::test]
async fn who_waits_until_an_instant_sees_it_on_the_clock() {
    // Between two steps of the clock, and in the past.
    for after in ["2300000", "1000000", "-1"] {
        let mut guest = importing(
            &[CLOCK],
            &format!(
                "(global.set $due (i64.add (call $now) (i64.const {after})))
                 (call $block (call $alarm (global.get $due)))
                 (if (i64.lt_u (call $now) (global.get $due)) (then unreachable))"
            ),
        );
        guest.items = "(global $due (mut i64) (i64.const 0))".into();
        assert_eq!(handle(&guest, spec()).await.outcome.class(), Class::Done, "{after}");
    }
}

#[tokio::test]
async fn a_guest_that_waits_for_no_time_lets_others_run() {
    let plugin = plugin(&sleep(0), spec());
    let message = message();
    let mut attempt = Box::pin(plugin.handle(&message, 1));
    assert!(futures::poll!(&mut attempt).is_pending());
    assert_eq!(attempt.await.outcome.class(), Class::Done);
}

#[tokio::test]
async fn log_lines_are_kept_within_their_limits() {
    let attempt = handle(&log("hello\nworld", "LOG"), spec()).await;
    let line = LogLine { level: Level::Warn, context: "greeting".into(), text: "hello\nworld".into() };
    assert_eq!(attempt.logs.lines, [line]);
    let mut spec = spec();
    spec.limits.log_lines = 2;
    let three = log("hello", "LOG LOG LOG");
    let attempt = handle(&three, spec.clone()).await;
    assert_eq!((attempt.logs.lines.len(), attempt.logs.dropped), (2, 1));
    spec.limits.log_bytes = 13;
    let attempt = handle(&three, spec).await;
    assert_eq!((attempt.logs.lines.len(), attempt.logs.dropped), (1, 2));
    assert_eq!(attempt.outcome.class(), Class::Done);
}

#[tokio::test]
async fn log_lines_belong_to_their_attempt() {
    let mut spec = spec();
    spec.limits.log_lines = 1;
    let plugin = plugin(&log("hello", "LOG"), spec);
    for _ in 0..3 {
        let logs = plugin.handle(&message(), 1).await.logs;
        assert_eq!((logs.lines.len(), logs.dropped), (1, 0));
    }
}

#[tokio::test]
async fn standard_output_and_error_are_log_lines() {
    let mut guest = importing(
        &[STREAMS],
        "(call $write (call $stdout) (i32.const 4096) (i32.const 11) (i32.const 2048))
        (call $write (call $stderr) (i32.const 4107) (i32.const 5) (i32.const 2048)) (unreachable)",
    );
    guest.items = r#"(data (i32.const 4096) "one\0atwo\0athrpanic")"#.into();
    let attempt = handle(&guest, spec()).await;
    let lines: Vec<_> = attempt.logs.lines.iter().map(|line| (line.level, &*line.context, &*line.text)).collect();
    let expected = [
        (Level::Info, "stdout", "one"),
        (Level::Info, "stdout", "two"),
        (Level::Info, "stdout", "thr"),
        (Level::Warn, "stderr", "panic"),
    ];
    assert_eq!(lines, expected);
    let failure = failed(&attempt, Class::Trapped, Code::TRAP_UNREACHABLE);
    assert!(failure.text.starts_with("panic (wasm trap: "), "the last words are in the failure: {failure:?}");
}

#[tokio::test]
async fn an_uncaught_error_is_told_by_type_text_and_place_whatever_the_log_limits_are() {
    let mut spec = spec();
    spec.limits.log_lines = 0;
    let mut seen = Vec::new();
    for (error, line) in [("KeyError: 'nope'", 65), ("KeyError: 'nope'", 66), ("ValueError: bad", 65)] {
        let report = format!("Uncaught {error}\\0a    at handle (orders.py:{line})\\0a");
        let length = report.len() - "\\0a\\0a".len() + "\n\n".len();
        let mut guest = importing(
            &[STREAMS],
            &format!(
                "(call $write (call $stderr) (i32.const 4096) (i32.const {length}) (i32.const 2048)) (unreachable)"
            ),
        );
        guest.items = format!(r#"(data (i32.const 4096) "{report}")"#);
        let plugin = plugin(&guest, spec.clone());
        for again in [false, true] {
            let attempt = plugin.handle(&message(), 1).await;
            let failure = failed(&attempt, Class::Trapped, Code::UNCAUGHT_EXCEPTION);
            assert_eq!(*failure.text, format!("{error} (orders.py:{line})"));
            assert_eq!(*failure.backtrace[0], format!("handle at orders.py:{line}"));
            assert_eq!(seen.contains(&failure.fingerprint()), again, "{error} {line}");
            seen.push(failure.fingerprint());
        }
    }
}

#[tokio::test]
async fn what_an_attempt_has_reported_is_not_told_of_the_next() {
    let mut guest = importing(
        &[STREAMS],
        "(if (i32.eq (i32.load offset=72 (local.get $message)) (i32.const 1))
            (then (call $write (call $stderr) (i32.const 4096) (i32.const 10) (i32.const 2048)))
            (else (unreachable)))",
    );
    guest.items = r#"(data (i32.const 4096) "panic: no\0a")"#.into();
    let plugin = plugin(&guest, spec());
    assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
    failed(&plugin.handle(&message(), 2).await, Class::Trapped, Code::TRAP_UNREACHABLE);
}

#[tokio::test]
async fn a_plugin_reads_its_own_configuration() {
    let mut guest = importing(
        &[CONFIG],
        &format!(
            "(call $get (i32.const 4096) (i32.const 8) (i32.const 3072))
            (i32.store (i32.const 2084) (i32.load (i32.const 3076)))
            (i64.store (i32.const 2088) (i64.load (i32.const 3080))) {}",
            outputs(2048, 1)
        ),
    );
    guest.items = r#"(data (i32.const 4096) "currency")"#.into();
    let mut spec = spec();
    let payload = |attempt: Attempt| match attempt.outcome {
        Outcome::Done(outputs) => outputs[0].payload.clone(),
        Outcome::Failed(failure) => panic!("{failure:?}"),
    };
    assert_eq!(payload(handle(&guest, spec.clone()).await), None);
    spec.config.insert("currency".into(), "EUR".into());
    assert_eq!(payload(handle(&guest, spec).await), Some("EUR".into()));
}

/// Returns a guest whose runtime reads the clock while it allocates memory for the message, which is forbidden there,
/// from the second message of an instance on. In `handle` it runs `instructions`.
fn collector(instructions: &str) -> Guest {
    let mut guest = importing(&[CLOCK], instructions);
    // The allocator needs the clock, and the instances that import the clock need the allocator.
    guest.lowers = guest.lowers.replacen(
        "(core instance $libc (instantiate $Libc))",
        r#"(core func $early-now (canon lower (func $clock-now)))
        (core instance $early (export "now" (func $early-now)))
        (core instance $libc (instantiate $Libc (with "early" (instance $early))))"#,
        1,
    );
    guest.realloc_imports = r#"(import "early" "now" (func $now (result i64)))
        (global $handled (export "handled") (mut i32) (i32.const 0))"#
        .into();
    guest.realloc = "(if (global.get $handled) (then (drop (call $now))))".into();
    guest.core_imports += r#"(import "libc" "handled" (global $handled (mut i32)))"#;
    guest
}

#[tokio::test]
async fn a_runtime_that_cannot_be_reused_gets_a_fresh_instance() {
    let plugin = plugin(&collector("(global.set $handled (i32.const 1))"), spec());
    for _ in 0..4 {
        assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
    }
}

#[tokio::test]
async fn an_attempt_that_may_have_had_effects_is_not_made_twice() {
    // The same, but in post-return, after `handle` called the host.
    let mut guest = importing(&[CLOCK], "(drop (call $now))");
    guest.items = "(global $handled (mut i32) (i32.const 0))".into();
    guest.post_return =
        "(if (global.get $handled) (then (drop (call $now)))) (global.set $handled (i32.const 1))".into();
    let plugin = plugin(&guest, spec());
    assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
    failed(&plugin.handle(&message(), 1).await, Class::Trapped, Code::TRAP_OTHER);
}

const PANIC: Import = Import {
    component: r#"
        (import "test:host/panic" (instance $panic (export "panic" (func))))
        (alias export $panic "panic" (func $panic-panic))"#,
    functions: &[("(func $panic-panic)", "panic", "")],
};

#[tokio::test]
async fn a_host_function_that_panics_is_the_hosts_fault() {
    let guest = importing(&[PANIC], "(call $panic)");
    let spec = Arc::new(spec());
    let runtime = engine().runtimes().runtime(spec.limits.stack).unwrap();
    let mut linker = runtime.linker.clone();
    let panic = |_: wasmtime::StoreContextMut<'_, _>, ()| -> wasmtime::Result<()> { panic!("at the test's request") };
    linker.instance("test:host/panic").unwrap().func_wrap("panic", panic).unwrap();
    let component = Component::from_binary(&runtime.engine, &guest.build()).unwrap();
    let interface = component.get_export_index(None, "cofferdam:plugin/handler@0.1.0").unwrap();
    let handle = component.get_export_index(Some(&interface), "handle").unwrap();
    let id = plugin(&super::guest::echo(), super::spec()).id().clone();
    let component = linker.instantiate_pre(&component).unwrap();
    let (contract, symbols) = (Contract::Cofferdam01, Default::default());
    let loaded = Loaded { id, spec, runtime, component, contract, handle, handle_batch: None, symbols };
    let plugin = Plugin::new(engine(), loaded);
    for _ in 0..2 {
        let attempt = plugin.handle(&message(), 1).await;
        let failure = failed(&attempt, Class::HostFault, Code::INTERNAL);
        assert!(failure.text.contains("at the test's request"), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_at_the_same_time_do_not_mix() {
    let plugin = Arc::new(plugin(&super::guest::echo(), spec()));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let plugin = Arc::clone(&plugin);
            tokio::spawn(async move {
                let mut message = message();
                message.id = format!("message-{number}").into();
                for _ in 0..50 {
                    let attempt = plugin.handle(&message, 1).await;
                    let Outcome::Done(outputs) = attempt.outcome else { panic!("{attempt:?}") };
                    assert_eq!(&*outputs[0].to, &*message.id);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_plugin_of_a_guest_that_hangs_does_not_keep_others_waiting() {
    let mut spec = spec();
    spec.limits.cpu_time = Duration::from_millis(300);
    let hanging = Arc::new(plugin(&guest("(loop $forever (br $forever))"), spec.clone()));
    let other = plugin(&super::guest::echo(), spec);
    let message = message();
    let hangs = tokio::spawn({
        let message = message.clone();
        async move { hanging.handle(&message, 1).await }
    });
    let mut handled = 0;
    while !hangs.is_finished() {
        assert_eq!(other.handle(&message, 1).await.outcome.class(), Class::Done);
        handled += 1;
        tokio::task::yield_now().await;
    }
    failed(&hangs.await.unwrap(), Class::TimedOut, Code::CPU_LIMIT);
    // About thirty ticks; far fewer on a busy machine.
    assert!(handled >= 2, "{handled}");
}
