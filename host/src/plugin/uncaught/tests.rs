//! Reports as language runtimes write them.

use super::*;

/// componentize-py 0.25.
const PYTHON_PANIC: &str = "
thread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:
Python function threw an unexpected exception
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";

/// componentize-qjs, after a report of the SDK.
const JAVASCRIPT_PANIC: &str = r#"
thread '<unnamed>' (1) panicked at crates/runtime/src/interpreter.rs:51:31:
Failed to call 'handle': Value(Exception(
Exception { message: Some("the handler failed"), stack: Some("") })
)
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"#;

fn read(text: &str) -> Report {
    told(&text.lines().collect::<Vec<_>>()).unwrap_or_else(|| panic!("nothing was told: {text}"))
}

fn uncaught(text: &str) -> Uncaught {
    match read(text) {
        Report::Uncaught(uncaught) => uncaught,
        Report::Panic(panic) => panic!("{panic:?}"),
    }
}

fn python(frames: &[(&str, u32, &str)], error: &str) -> Uncaught {
    let frames = frames.iter().map(|(file, line, function)| format!("  File \"{file}\", line {line}, in {function}\n"));
    let frames: String = frames.collect();
    uncaught(&format!("Traceback (most recent call last):\n{frames}{error}\n{PYTHON_PANIC}"))
}

const HANDLER: [(&str, u32, &str); 3] = [
    ("/2/cofferdam_sdk/imported/plugin.py", 41, "handle"),
    ("/2/cofferdam_sdk/registry.py", 30, "handle"),
    ("/1/orders.py", 7, "handle"),
];

fn within(frame: (&'static str, u32, &'static str)) -> Vec<(&'static str, u32, &'static str)> {
    HANDLER.into_iter().chain([frame]).collect()
}

#[test]
fn an_error_of_python_is_one_line_with_its_place_and_the_authors_frames() {
    let error = python(&within(("/1/helpers.py", 2, "lookup")), "KeyError: 'nope'");
    assert_eq!(error.to_string(), "KeyError: 'nope' (helpers.py:2)");
    assert_eq!(
        error.backtrace().iter().map(|line| &**line).collect::<Vec<_>>(),
        ["lookup at helpers.py:2", "handle at orders.py:7", "(runtime frames omitted)"]
    );
}

#[test]
fn the_place_is_the_authors_and_not_that_of_a_library() {
    let error = python(&within(("/python/json/decoder.py", 345, "decode")), "json.decoder.JSONDecodeError: line 1");
    assert_eq!(error.to_string(), "json.decoder.JSONDecodeError: line 1 (orders.py:7)");
    assert_eq!(&*error.backtrace()[0], "decode at /python/json/decoder.py:345");
}

#[test]
fn a_message_of_several_lines_is_one_line() {
    assert_eq!(
        python(&HANDLER, "ValueError: first\n  second\n\nthird").to_string(),
        "ValueError: first second third (orders.py:7)"
    );
    assert_eq!(python(&HANDLER, "MemoryError").to_string(), "MemoryError (orders.py:7)");
    assert_eq!(
        python(&HANDLER, "  File \"<string>\", line 1\n    1 +\nSyntaxError: invalid").to_string(),
        "SyntaxError: invalid (orders.py:7)"
    );
    let long = python(&HANDLER, &format!("ValueError: {}", "é".repeat(MESSAGE))).to_string();
    assert!(long.len() < MESSAGE + 100 && long.ends_with("é... (orders.py:7)"), "{}", long.len());
}

#[test]
fn of_a_group_of_errors_the_group_is_told() {
    let text = format!(
        "  + Exception Group Traceback (most recent call last):
  |   File \"/1/orders.py\", line 45, in do_group
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +------------------------------------
{PYTHON_PANIC}"
    );
    assert_eq!(uncaught(&text).to_string(), "ExceptionGroup: several (2 sub-exceptions) (orders.py:45)");
}

#[test]
fn errors_differ_by_type_and_by_place_and_not_by_what_they_say() {
    let place = |line, error| python(&within(("/1/orders.py", line, "price")), error).place();
    let first = place(65, "KeyError: 'nope'");
    assert!(first.is_some());
    assert_eq!(place(65, "KeyError: 'other'"), first);
    assert_ne!(place(66, "KeyError: 'nope'"), first);
    assert_ne!(place(65, "ZeroDivisionError: division by zero"), first);
}

#[test]
fn a_recursion_is_the_same_error_however_deep_it_was() {
    let place = |depth| {
        let frames: Vec<_> = HANDLER.into_iter().chain(vec![("/1/orders.py", 31, "deeper"); depth]).collect();
        python(&frames, "RecursionError: maximum recursion depth exceeded").place()
    };
    assert_eq!(place(3), place(1));
}

#[test]
fn an_error_of_javascript_has_the_place_that_the_sdk_has_found() {
    let text = format!(
        "Uncaught TypeError: cannot read property 'size' of undefined
    at lookup (helpers.js:1)
    at map (native)
    at handle (src/orders.ts:17)
caused by: Error: inner
    at handle (src/orders.ts:12)
{JAVASCRIPT_PANIC}"
    );
    let error = uncaught(&text);
    assert_eq!(error.to_string(), "TypeError: cannot read property 'size' of undefined (helpers.js:1)");
    assert_eq!(
        error.backtrace()[..3].iter().map(|line| &**line).collect::<Vec<_>>(),
        ["lookup at helpers.js:1", "handle at src/orders.ts:17", "caused by: Error: inner"]
    );
}

#[test]
fn the_frames_that_make_an_error_are_not_its_place() {
    let own = "Uncaught CardError: declined\n    at CardError (orders.js:3)\n    at own (orders.js:6)";
    assert_eq!(uncaught(&format!("{own}\n{JAVASCRIPT_PANIC}")).to_string(), "CardError: declined (orders.js:6)");
}

#[test]
fn what_is_thrown_and_is_no_error_has_a_text_and_no_place() {
    let error = uncaught(&format!("Uncaught a text was thrown, which is no Error\n{JAVASCRIPT_PANIC}"));
    assert_eq!((&*error.to_string(), error.place()), ("a text was thrown, which is no Error", None));
}

#[test]
fn plugins_that_were_made_without_an_sdk_or_with_an_older_one_are_read_alike() {
    let engine = r#"
thread '<unnamed>' (1) panicked at crates/runtime/src/interpreter.rs:51:31:
Failed to call 'handle': Value(Exception(
Exception { message: Some("no \"b\""), stack: Some("    at handle (componentize-qjs:user.js:3:9)\n") })
)"#;
    assert_eq!(uncaught(engine).to_string(), "Error: no \"b\" (componentize-qjs:user.js:3)");
    let older = format!("printed\nTypeError: not a function\n    at handle (orders.js:17)\n{JAVASCRIPT_PANIC}");
    assert_eq!(uncaught(&older).to_string(), "TypeError: not a function (orders.js:17)");
    let python = format!(
        "Traceback (most recent call last):\n  File \"/0/app.py\", line 9, in handle\nOSError: gone\n{PYTHON_PANIC}"
    );
    assert_eq!(uncaught(&python).to_string(), "OSError: gone (app.py:9)");
}

#[test]
fn a_panic_of_go_has_its_text_and_the_frames_of_the_goroutine_at_fault() {
    let error = uncaught(
        "panic: runtime error: index out of range [5] with length 3

goroutine 6 [running]:
panic({0x1, 0x2})
\truntime/panic.go:785 +0x1
runtime.goPanicIndex(0x5, 0x3)
\truntime/panic.go:115 +0x3
encoding/json.(*Decoder).Decode(0x1, {0x2, 0x3})
\tencoding/json/stream.go:63 +0x2
example.com/orders/prices.(*List).At(...)
\texample.com/orders/prices/list.go:27
main.handle(0x2c46e0)
\texample.com/orders/main.go:22 +0x62 fp=0x2bab18 sp=0x2baa88 pc=0x178f0062
github.com/cofferdam/cofferdam/sdk/go.attempt.func1()
\tgithub.com/cofferdam/cofferdam/sdk/go@v0.1.0/attempt.go:30 +0x6
created by main.start in goroutine 1
\texample.com/orders/main.go:29 +0x3

goroutine 1 [chan receive]:
main.other(...)
\texample.com/orders/main.go:99",
    );
    assert_eq!(error.to_string(), "panic: runtime error: index out of range [5] with length 3 (prices/list.go:27)");
    assert_eq!(
        error.backtrace()[..3].iter().map(|line| &**line).collect::<Vec<_>>(),
        [
            "encoding/json.(*Decoder).Decode at encoding/json/stream.go:63",
            "example.com/orders/prices.(*List).At at prices/list.go:27",
            "main.handle at main.go:22"
        ]
    );
}

#[test]
fn a_deadlock_of_go_is_told_by_its_first_line() {
    let stack = "goroutine 1 [sync.Mutex.Lock]:\nsync.(*Mutex).Lock(...)\n\tsync/mutex.go:46\nmain.handle(0x1)\n\texample.com/o/main.go:30 +0x2";
    let error = uncaught(&format!("fatal error: all goroutines are asleep - deadlock!\n\n{stack}"));
    assert_eq!(error.to_string(), "fatal error: all goroutines are asleep - deadlock! (main.go:30)");
}

#[test]
fn an_error_that_go_returned_says_its_type_and_by_what_it_was_returned() {
    let error = uncaught("Uncaught *errors.errorString: a plain error, returned by main.handle");
    assert_eq!(
        (&*error.to_string(), error.place()),
        ("*errors.errorString: a plain error, returned by main.handle", None)
    );
}

#[test]
fn a_panic_of_rust_is_one_line_without_advice() {
    let new = "before\n\nthread '<unnamed>' (1) panicked at src/lib.rs:12:5:\nas asked\nsecond\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
    assert_eq!(read(new).text(), "panic: as asked second (src/lib.rs:12)");
    let old = "thread 'main' panicked at 'a, b', src/lib.rs:12:5\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
    assert_eq!(read(old).text(), "panic: a, b (src/lib.rs:12)");
}

#[test]
fn what_is_no_report_tells_nothing_and_nothing_breaks_on_half_a_report() {
    for text in ["", "a line", "Traceback (most recent call last):", "goroutine 1 [running]:", "    at handle (a.js:1)"]
    {
        assert!(told(&text.lines().collect::<Vec<_>>()).is_none(), "{text}");
    }
    for text in [
        "panic: ",
        "Uncaught ",
        "Uncaught x\n    at (:)\n    at a (b:99999999999)",
        "fatal error: a\ngoroutine 1 [x]:\nf(",
    ] {
        let error = uncaught(text);
        assert_eq!((error.place(), error.backtrace().len()), (None, 1), "{text}");
    }
    let rust = "thread 'a' panicked at ,:\nthread 'b' panicked at x";
    assert!(told(&rust.lines().collect::<Vec<_>>()).is_none());
}

#[test]
fn names_that_a_guest_chose_are_escaped_and_cut() {
    let evil = "n".repeat(1 << 16);
    let error = uncaught(&format!("Uncaught {evil}: text\n    at a\u{1b}[2J{evil} ({evil}:1)"));
    assert!(error.to_string().len() < 500);
    let line = &error.backtrace()[0];
    assert!(line.starts_with("a\\u{1b}[2Jnn") && line.len() < 500, "{line}");
}
