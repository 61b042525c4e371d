//! `cofferdam compile`: the compiler process of the other commands. Hidden in the help.

use std::path::PathBuf;

use clap::Args;

use crate::plugin::compiler::{self, Work};

#[derive(Args)]
pub(super) struct Arguments {
    /// Of processor.
    #[arg(long)]
    seconds: u64,
    /// Bytes.
    #[arg(long)]
    memory: u64,
    /// Make a component of a core module, not code of a component.
    #[arg(long)]
    wrap: bool,
}

/// Compiles and ends the process.
pub(super) fn main(arguments: &Arguments) -> ! {
    let work = if arguments.wrap { Work::Wrap } else { Work::Compile };
    std::process::exit(compiler::main(arguments.seconds, arguments.memory, work).into())
}

/// Returns the path of this program, also if its file was replaced while it runs.
pub(super) fn program() -> PathBuf {
    "/proc/self/exe".into()
}
