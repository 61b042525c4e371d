//! Determines the class of an attempt that ended without a result. Only this module converts errors of the sandbox to
//! outcomes.

use std::any::Any;
use std::fmt::{self, Write as _};

use cofferdam_core::outcome::{Class, Code, Failure};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmtimeBug};
use wasmtime_wasi::I32Exit;

use crate::exit::panic_text;

use super::backtrace;
use crate::plugin::host::budget::{Budget, Spent};
use crate::plugin::host::last_words::LastWords;
use crate::plugin::host::limiter::Refusals;
use crate::plugin::host::outbox::Excess;
use crate::plugin::limits::Limit;
use crate::plugin::symbols::Symbols;
use crate::plugin::uncaught::{self, Report};

/// The end of an attempt without a result.
#[derive(Debug)]
pub(super) enum Ending {
    /// The guest, its instantiation, or the conversion of parameters or results failed.
    Error(wasmtime::Error),
    /// The wall-time limit was exceeded while the guest waited in a host call.
    Overdue,
    /// The host panicked.
    Panic(Box<dyn Any + Send>),
}

/// Further facts about the attempt.
#[derive(Debug)]
pub(super) struct Circumstances<'a> {
    /// The limits of the attempt.
    pub(super) budget: &'a Budget,
    /// Whether the instance was still being started.
    pub(super) starting: bool,
    /// Growths of memory and tables that were refused during this attempt.
    pub(super) refusals: Refusals,
    /// Whether the limit of host calls was exceeded.
    pub(super) host_calls_spent: bool,
    /// The capability that was used and not granted, if that ends the attempt.
    pub(super) denied: Option<Box<str>>,
    /// The guest's standard error, where language runtimes report why they end.
    pub(super) last_words: LastWords,
}

/// The class and code of `ending`.
///
/// The order matters, because errors are wrapped in each other, and a guest without memory fails with the same trap as one
/// that panics. First come actions of the host against the guest, then missing resources of the host, then actions of the
/// guest. The rest are errors of the conversion of parameters or results.
pub(super) fn classify(ending: Ending, circumstances: &Circumstances<'_>, symbols: &Symbols) -> Failure {
    if let (Some(denied), Ending::Error(_) | Ending::Overdue) = (&circumstances.denied, &ending) {
        return Failure::contract(Code::CAPABILITY_DENIED, &**denied);
    }
    let error = match ending {
        Ending::Panic(panic) => {
            let text = format!("the host panicked: {}", panic_text(&*panic));
            return Failure::host(Code::INTERNAL, text);
        }
        Ending::Overdue => return circumstances.budget.failure(Spent::Limit(Limit::WallTime)),
        Ending::Error(error) => error,
    };
    let words = circumstances.last_words.lines();
    let told = uncaught::told(&words);
    let mut failure = of_error(&error, circumstances, &Said { words: &words, told: told.as_ref() });
    match told {
        // The guest's stack is that of an interpreter or a runtime, and is the same for every error.
        Some(Report::Uncaught(uncaught)) if error.downcast_ref() == Some(&Trap::UnreachableCodeReached) => {
            failure.backtrace = uncaught.backtrace();
            failure.place = uncaught.place();
        }
        _ => {
            failure.backtrace = backtrace::of(&error, symbols);
            failure.place = place(&failure.code, &error);
        }
    }
    failure
}

/// The place of the failure, equal when the same failure occurs again.
fn place(code: &Code, error: &wasmtime::Error) -> Option<u64> {
    if *code == Code::TRAP_STACK_OVERFLOW {
        return backtrace::functions(error);
    }
    // It does not matter which call exceeded the limit.
    if *code == Code::HOST_CALL_LIMIT { None } else { backtrace::place(error) }
}

/// The guest's standard error, and the error that its runtime reports there.
struct Said<'a> {
    words: &'a [&'a str],
    told: Option<&'a Report>,
}

fn of_error(error: &wasmtime::Error, circumstances: &Circumstances<'_>, said: &Said<'_>) -> Failure {
    if circumstances.host_calls_spent {
        return circumstances.budget.failure(Spent::Limit(Limit::HostCalls));
    }
    if let Some(reason) = error.downcast_ref::<Spent>() {
        return circumstances.budget.failure(*reason);
    }
    if let Some(Excess(failure)) = error.downcast_ref() {
        return failure.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() || error.is::<wasmtime::OutOfMemory>() {
        return Failure::host(Code::PLUGIN_UNAVAILABLE, root(error));
    }
    if error.is::<WasmtimeBug>() {
        return Failure::host(Code::INTERNAL, root(error));
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        // WASI 0.2 has only success and failure, no exit codes.
        let how = if *status == 0 { "success" } else { "failure" };
        let text = with_last_words(format!("the handler called exit with {how}"), said.words);
        return Failure::contract(Code::EXITED, text);
    }
    if let Some(trap) = error.downcast_ref() {
        return of_trap(*trap, error, circumstances, said);
    }
    if circumstances.starting && circumstances.refusals.total() > 0 {
        return out_of_memory(circumstances.refusals, root(error));
    }
    if backtrace::is_from_guest(error) {
        return Failure::contract(Code::HOST_CALL_FAILED, root(error));
    }
    if circumstances.starting {
        return Failure::host(Code::PLUGIN_UNAVAILABLE, root(error));
    }
    if is_too_much_data(error) {
        return Limit::OutputBytes.exceeded("the result exceeds the memory for outputs");
    }
    Failure::contract(Code::INVALID_RESULT, root(error))
}

fn of_trap(trap: Trap, error: &wasmtime::Error, circumstances: &Circumstances<'_>, said: &Said<'_>) -> Failure {
    let code = match trap {
        Trap::MemoryOutOfBounds if is_stack_below_zero(error) => {
            let text = "stack overflow in the guest's linear memory";
            return Failure::new(Class::Trapped, Code::TRAP_STACK_OVERFLOW, text);
        }
        Trap::UnreachableCodeReached if circumstances.refusals.total() > 0 => {
            return out_of_memory(circumstances.refusals, said.of(&trap));
        }
        Trap::UnreachableCodeReached => match said.told {
            Some(Report::Uncaught(_)) => Code::UNCAUGHT_EXCEPTION,
            _ => Code::TRAP_UNREACHABLE,
        },
        Trap::StackOverflow => Code::TRAP_STACK_OVERFLOW,
        Trap::MemoryOutOfBounds | Trap::HeapMisaligned => Code::TRAP_MEMORY_OUT_OF_BOUNDS,
        Trap::IntegerDivisionByZero => Code::TRAP_INTEGER_DIVIDE_BY_ZERO,
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => Code::TRAP_INDIRECT_CALL,
        _ => Code::TRAP_OTHER,
    };
    Failure::new(Class::Trapped, code, said.of(&trap))
}

fn out_of_memory(refusals: Refusals, text: String) -> Failure {
    let limit = if refusals.memory > 0 { Limit::Memory } else { Limit::TableElements };
    limit.exceeded(text)
}

/// Whether a guest whose stack is in its own memory and grows down to address zero has overflowed it.
///
/// It has if it used an address at the upper end of the address space during a recursion.
fn is_stack_below_zero(error: &wasmtime::Error) -> bool {
    /// Maximum bytes that one frame may reach below zero.
    const FRAME: u64 = 16 << 20;
    // wasmtime does not export the type of this error; a test checks the text.
    let address = error.chain().find_map(|cause| {
        let text = beginning_with("memory fault at wasm address 0x", cause)?;
        u64::from_str_radix(text.split(' ').next()?, 16).ok()
    });
    address.is_some_and(|address| address >= (1 << 32) - FRAME) && backtrace::is_recursion(error)
}

/// The first 32 bytes after `start` in the text of `shown`; `None` if the text starts otherwise.
///
/// Formatting stops as soon as the result is known. One cause of a trap is its backtrace; formatting all of it would
/// demangle names of functions, which their author can make arbitrarily slow.
fn beginning_with(start: &'static str, shown: impl fmt::Display) -> Option<String> {
    const MORE: usize = 32;
    struct Beginning(&'static str, String);
    impl fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let Self(start, found) = self;
            found.push_str(&text[..text.floor_char_boundary(start.len() + MORE - found.len())]);
            let is_it = found.starts_with(*start) || start.starts_with(&**found);
            if is_it && found.len() < start.len() + MORE { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut beginning = Beginning(start, String::new());
    // The write fails as soon as the result is known.
    let _ = write!(beginning, "{shown}");
    Some(beginning.1.strip_prefix(start)?.to_owned())
}

/// wasmtime does not export the type of this error; a test checks the text.
fn is_too_much_data(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

/// Whether the pool had no slot, stack or memory for another instance.
pub(super) fn is_pool_exhausted(ending: &Ending) -> bool {
    matches!(ending, Ending::Error(error) if error.is::<PoolConcurrencyLimitError>())
}

fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

impl Said<'_> {
    /// The reason of a trap: the reported error, or the trap with the last lines of standard error.
    fn of(&self, trap: &Trap) -> String {
        match self.told {
            Some(told) if *trap == Trap::UnreachableCodeReached => told.text(),
            _ => with_last_words(trap.to_string(), self.words),
        }
    }
}

/// Puts the last line first, because it usually contains the reason, and the lines before it at the end. The result is one
/// line with at most about 1 KiB of guest text.
fn with_last_words(what: String, words: &[&str]) -> String {
    const WORDS: usize = 1 << 10;
    let mut lines = words.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty());
    let Some(last) = lines.by_ref().find(|line| !uncaught::is_hint(line)) else { return what };
    let mut room = WORDS.saturating_sub(last.len());
    let fits = |line: &&str| {
        let rest = room.checked_sub(line.len());
        room = rest.unwrap_or(0);
        rest.is_some()
    };
    let mut before: Vec<&str> = lines.take_while(fits).collect();
    before.reverse();
    let last = &last[..last.floor_char_boundary(WORDS)];
    match before.as_slice() {
        [] => format!("{last} ({what})"),
        before => format!("{last} ({what}; before: {})", before.join(" / ")),
    }
}
