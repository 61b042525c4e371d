//! What an attempt that did not end with an answer is called: the one place where errors of the sandbox become
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
use crate::plugin::symbols::Symbols;
use crate::plugin::uncaught::{self, Told};

/// How an attempt ended, if not with an answer.
#[derive(Debug)]
pub(super) enum Ending {
    /// The guest, its instantiation, or the way into or out of it failed.
    Error(wasmtime::Error),
    /// Wall time ran out while the guest waited in a host call.
    Overdue,
    /// The host panicked.
    Panic(Box<dyn Any + Send>),
}

/// What else there is to know.
#[derive(Debug)]
pub(super) struct Circumstances<'a> {
    /// The limits of the attempt.
    pub(super) budget: &'a Budget,
    /// The instance did not exist yet.
    pub(super) starting: bool,
    /// Growths that were refused during this attempt.
    pub(super) refusals: Refusals,
    /// There were more host calls than the limit.
    pub(super) host_calls_spent: bool,
    /// What the guest asked for and was not granted, where that ends the attempt.
    pub(super) denied: Option<Box<str>>,
    /// What the guest wrote to its standard error, where languages say why they end.
    pub(super) last_words: LastWords,
}

/// The class and code of `ending`.
///
/// The order matters: errors are wrapped in each other, and a guest that cannot get memory dies of the same trap
/// as one that panics. First what the host itself did to the guest, then what the host lacked, then what the
/// guest did; what is left came from the way into or out of the guest.
pub(super) fn classify(ending: Ending, circumstances: &Circumstances<'_>, symbols: &Symbols) -> Failure {
    if let (Some(denied), Ending::Error(_) | Ending::Overdue) = (&circumstances.denied, &ending) {
        return Failure::contract(Code::CAPABILITY_DENIED, &**denied);
    }
    let error = match ending {
        Ending::Panic(panic) => {
            let text = format!("the host panicked: {}", panic_text(&*panic));
            return Failure::host(Code::INTERNAL, text);
        }
        Ending::Overdue => return spent(Spent::WallTime, circumstances.budget),
        Ending::Error(error) => error,
    };
    let words = circumstances.last_words.lines();
    let told = uncaught::told(&words);
    let mut failure = of_error(&error, circumstances, &Said { words: &words, told: told.as_ref() });
    match told {
        // The guest's stack is that of an interpreter or of a runtime: the same for every error.
        Some(Told::Uncaught(uncaught)) if error.downcast_ref() == Some(&Trap::UnreachableCodeReached) => {
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

/// Where it happened, in what stays the same when it happens again.
fn place(code: &Code, error: &wasmtime::Error) -> Option<u64> {
    if *code == Code::TRAP_STACK_OVERFLOW {
        return backtrace::functions(error);
    }
    // Which of the calls was one too many says nothing.
    if *code == Code::HOST_CALL_LIMIT { None } else { backtrace::place(error) }
}

/// What the guest wrote to standard error, and what it reports there.
struct Said<'a> {
    words: &'a [&'a str],
    told: Option<&'a Told>,
}

fn of_error(error: &wasmtime::Error, circumstances: &Circumstances<'_>, said: &Said<'_>) -> Failure {
    if circumstances.host_calls_spent {
        return spent(Spent::HostCalls, circumstances.budget);
    }
    if let Some(reason) = error.downcast_ref::<Spent>() {
        return spent(*reason, circumstances.budget);
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
        // WASI 0.2 has success and failure, and no numbers.
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
        return Failure::contract(Code::OUTPUT_TOO_LARGE, "the result exceeds the memory for outputs");
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
            Some(Told::Uncaught(_)) => Code::UNCAUGHT_EXCEPTION,
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
    let code = if refusals.memory > 0 { Code::MEMORY_LIMIT } else { Code::TABLE_LIMIT };
    Failure::new(Class::OutOfMemory, code, text)
}

fn spent(reason: Spent, budget: &Budget) -> Failure {
    let (class, code) = match reason {
        Spent::WallTime => (Class::TimedOut, Code::TIMEOUT),
        Spent::CpuTime => (Class::TimedOut, Code::CPU_LIMIT),
        Spent::HostCalls => (Class::ContractBroken, Code::HOST_CALL_LIMIT),
        Spent::Grant => (Class::ContractBroken, Code::CAPABILITY_DENIED),
    };
    Failure::new(class, code, budget.text(reason))
}

/// Whether a guest that keeps a stack in its own memory, from some address down to zero, has run below it.
///
/// It has if it reached beyond the other end of the addresses while calling itself over and over.
fn is_stack_below_zero(error: &wasmtime::Error) -> bool {
    /// The deepest that one frame may reach below zero.
    const FRAME: u64 = 16 << 20;
    // wasmtime does not export the type of this; a test holds on to the text.
    let address = error.chain().find_map(|cause| {
        let text = beginning_with("memory fault at wasm address 0x", cause)?;
        u64::from_str_radix(text.split(' ').next()?, 16).ok()
    });
    address.is_some_and(|address| address >= (1 << 32) - FRAME) && backtrace::is_recursion(error)
}

/// What `shown` says behind `start`, 32 bytes of it; `None` where it begins in another way.
///
/// Writing ends as soon as that is clear. One of the causes of a trap is its backtrace, and to show it all is to
/// demangle the names of functions, for as long as their author likes.
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
    // It fails when enough is known.
    let _ = write!(beginning, "{shown}");
    Some(beginning.1.strip_prefix(start)?.to_owned())
}

/// wasmtime does not export the type of this; a test holds on to the text.
fn is_too_much_data(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

/// Whether there was no slot, stack or memory in the pool for another instance.
pub(super) fn is_pool_exhausted(ending: &Ending) -> bool {
    matches!(ending, Ending::Error(error) if error.is::<PoolConcurrencyLimitError>())
}

fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

impl Said<'_> {
    /// Why the guest trapped: what it reports, or the trap with its last words.
    fn of(&self, trap: &Trap) -> String {
        match self.told {
            Some(told) if *trap == Trap::UnreachableCodeReached => told.text(),
            _ => with_last_words(trap.to_string(), self.words),
        }
    }
}

/// The last line in front, since that is the reason where there is one; the lines before it at the end. One line, of at
/// most some 1 KiB of the guest's.
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
