//! `cofferdam new`.

mod language;
mod project;

use std::path::PathBuf;

use clap::Args;

use super::{Ended, print_line};
use crate::exit::{Exit, Problem};
use language::Language;

#[derive(Args)]
pub(super) struct Arguments {
    /// Language of the handler.
    #[arg(value_enum)]
    language: Language,
    /// Name of the handler and of its folder: lower-case letters, digits and hyphens.
    name: String,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    let Arguments { language, name } = arguments;
    if let Err(rule) = project::check_name(name) {
        return Err(Problem::new(Exit::Usage, format!("invalid handler name {name:?}"), rule).into());
    }
    let folder = PathBuf::from(name);
    project::write(*language, name, &folder)?;
    print_line(&format!("{name}: a handler in {}", language.spoken()));
    for tool in language.missing_tools() {
        print_line(&format!("  missing here: {} (to install it: {})", tool.name, tool.install));
    }
    print_line(&format!("  cd {name}"));
    print_line("  cofferdam dev     builds it, starts embedded brokers, shows the result of each message");
    print_line(&format!("see {name}/README.md for the tests and the files to edit"));
    Ok(Exit::Success)
}
