//! Interfaces that guests import, as text.

use super::guest::{Guest, handle};

/// An import, how it is lowered, and its functions in the core module.
pub(super) struct Import {
    /// Component imports and aliases.
    pub(super) component: &'static str,
    /// Component functions that are lowered, and their names in the core module with parameters and results.
    pub(super) functions: &'static [(&'static str, &'static str, &'static str)],
}

/// A guest that calls functions of `imports` in `instructions`.
pub(super) fn importing(imports: &[Import], instructions: &str) -> Guest {
    let mut guest = handle(instructions);
    guest.lowers = "(core instance $libc (instantiate $Libc))".into();
    for import in imports {
        guest.imports += import.component;
        for (function, name, signature) in import.functions {
            guest.lowers += &format!(
                "(core func ${name} (canon lower {function} (memory (core memory $libc \"memory\"))
                    (realloc (core func $libc \"cabi_realloc\"))))"
            );
            guest.lowered += &format!("(export \"{name}\" (func ${name}))");
            guest.core_imports += &format!("(import \"host\" \"{name}\" (func ${name} {signature}))");
        }
    }
    guest
}

/// `log(level, context, context length, message, message length)`.
pub(super) const LOGGING: Import = Import {
    component: r#"
        (import "wasi:logging/logging@0.1.0-draft" (instance $logging
            (type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
            (export "level" (type $level (eq $level')))
            (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
        (alias export $logging "log" (func $logging-log))"#,
    functions: &[("(func $logging-log)", "log", "(param i32 i32 i32 i32 i32)")],
};

/// `get(key, key length, result)`.
pub(super) const CONFIG: Import = Import {
    component: r#"
        (import "wasi:config/store@0.2.0-rc.1" (instance $config
            (type $error' (variant (case "upstream" string) (case "io" string)))
            (export "error" (type $error (eq $error')))
            (export "get" (func (param "key" string) (result (result (option string) (error $error)))))))
        (alias export $config "get" (func $config-get))"#,
    functions: &[("(func $config-get)", "get", "(param i32 i32 i32)")],
};

/// `exit(0 or 1)`.
pub(super) const EXIT: Import = Import {
    component: r#"
        (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
        (alias export $exit "exit" (func $exit-exit))"#,
    functions: &[("(func $exit-exit)", "exit", "(param i32)")],
};

/// `random(count, result)`.
pub(super) const RANDOM: Import = Import {
    component: r#"
        (import "wasi:random/random@0.2.0" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (alias export $random "get-random-bytes" (func $random-bytes))"#,
    functions: &[("(func $random-bytes)", "random", "(param i64 i32)")],
};

/// `block(pollable)`, `poll(pollables, count, result)`, `now()`, `timer(nanoseconds)`.
pub(super) const CLOCK: Import = Import {
    component: r#"
        (import "wasi:io/poll@0.2.0" (instance $poll
            (export "pollable" (type $pollable (sub resource)))
            (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
            (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
        (alias export $poll "pollable" (type $pollable))
        (alias export $poll "[method]pollable.block" (func $pollable-block))
        (alias export $poll "poll" (func $poll-poll))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
            (alias outer 1 $pollable (type $pollable'))
            (export "pollable" (type $p (eq $pollable')))
            (export "now" (func (result u64)))
            (export "subscribe-instant" (func (param "when" u64) (result (own $p))))
            (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
        (alias export $clock "now" (func $clock-now))
        (alias export $clock "subscribe-instant" (func $clock-subscribe-instant))
        (alias export $clock "subscribe-duration" (func $clock-subscribe))"#,
    functions: &[
        ("(func $pollable-block)", "block", "(param i32)"),
        ("(func $poll-poll)", "poll", "(param i32 i32 i32)"),
        ("(func $clock-now)", "now", "(result i64)"),
        ("(func $clock-subscribe-instant)", "alarm", "(param i64) (result i32)"),
        ("(func $clock-subscribe)", "timer", "(param i64) (result i32)"),
    ],
};

/// `stdout()`, `stderr()`, `write(stream, bytes, length, result)`.
pub(super) const STREAMS: Import = Import {
    component: r#"
        (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
        (alias export $error "error" (type $error))
        (import "wasi:io/streams@0.2.0" (instance $streams
            (export "output-stream" (type $stream (sub resource)))
            (alias outer 1 $error (type $error''))
            (export "error" (type $error' (eq $error'')))
            (type $stream-error' (variant (case "last-operation-failed" (own $error')) (case "closed")))
            (export "stream-error" (type $stream-error (eq $stream-error')))
            (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $stream))
                (param "contents" (list u8)) (result (result (error $stream-error)))))))
        (alias export $streams "output-stream" (type $stream))
        (alias export $streams "[method]output-stream.blocking-write-and-flush" (func $stream-write))
        (import "wasi:cli/stdout@0.2.0" (instance $stdout
            (alias outer 1 $stream (type $stream''))
            (export "output-stream" (type $stream' (eq $stream'')))
            (export "get-stdout" (func (result (own $stream'))))))
        (alias export $stdout "get-stdout" (func $get-stdout))
        (import "wasi:cli/stderr@0.2.0" (instance $stderr
            (alias outer 1 $stream (type $stream''))
            (export "output-stream" (type $stream' (eq $stream'')))
            (export "get-stderr" (func (result (own $stream'))))))
        (alias export $stderr "get-stderr" (func $get-stderr))"#,
    functions: &[
        ("(func $stream-write)", "write", "(param i32 i32 i32 i32)"),
        ("(func $get-stdout)", "stdout", "(result i32)"),
        ("(func $get-stderr)", "stderr", "(result i32)"),
    ],
};

/// `open(name, length, result)`, `increment(bucket, key, length, delta, result)`.
pub(super) const KEYVALUE: Import = Import {
    component: r#"
        (import "wasi:keyvalue/store@0.2.0-draft2" (instance $store
            (type $error' (variant (case "no-such-store") (case "access-denied") (case "other" string)))
            (export "error" (type $error (eq $error')))
            (export "bucket" (type $bucket (sub resource)))
            (export "open" (func (param "identifier" string) (result (result (own $bucket) (error $error)))))))
        (alias export $store "error" (type $store-error))
        (alias export $store "bucket" (type $bucket))
        (alias export $store "open" (func $store-open))
        (import "wasi:keyvalue/atomics@0.2.0-draft2" (instance $atomics
            (alias outer 1 $bucket (type $bucket''))
            (export "bucket" (type $bucket' (eq $bucket'')))
            (alias outer 1 $store-error (type $error''))
            (export "error" (type $error' (eq $error'')))
            (export "increment" (func (param "bucket" (borrow $bucket')) (param "key" string) (param "delta" s64)
                (result (result s64 (error $error')))))))
        (alias export $atomics "increment" (func $atomics-increment))"#,
    functions: &[
        ("(func $store-open)", "open", "(param i32 i32 i32)"),
        ("(func $atomics-increment)", "increment", "(param i32 i32 i32 i64 i32)"),
    ],
};
