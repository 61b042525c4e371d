//! `cofferdam dlq purge`.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use cofferdam_core::output::Destination;
use serde_json::json;

use super::super::run::runtime;
use super::super::{Ended, OutputArguments, print_json, print_line};
use super::choice::Choice;
use super::place::Place;
use super::{Where, words};
use crate::dead_letters::Error;
use crate::dead_letters::filter::State;
use crate::dead_letters::purge::Survey;
use crate::exit::{Exit, Problem};

#[derive(Args)]
pub(in super::super) struct Arguments {
    /// Topic or queue: kafka:TOPIC, sqs:QUEUE, or the name alone where it is unambiguous.
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
    #[command(flatten)]
    which: Where,
    /// Delete only replayed dead letters (topics only).
    #[arg(long, help_heading = "Filters")]
    replayed: bool,
    /// Delete only the dead letters before the first one that the filters keep (topics only).
    #[arg(long)]
    prefix: bool,
    /// Delete without asking.
    #[arg(long)]
    yes: bool,
    /// Show how many dead letters would be deleted, and delete nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(in super::super) output: OutputArguments,
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    if !arguments.yes && !arguments.dry_run && !std::io::stdin().is_terminal() {
        let what = "cannot ask for confirmation: standard input is not a terminal";
        return Err(Problem::new(Exit::Usage, what, "add --yes, or --dry-run to see what would be deleted").into());
    }
    runtime()?.block_on(purge(arguments))
}

async fn purge(arguments: &Arguments) -> Ended {
    let place = Place::find(&arguments.which, arguments.destination.as_deref()).await?;
    place.no_route_reads("purge it")?;
    let filter = arguments.choice.filter(if arguments.replayed { State::Replayed } else { State::Any });
    for destination in &place.destinations {
        let store = place.brokers.dead_letters(destination).await?;
        words::warn_of_receives(&*store);
        let failed = |error: Error| error.problem().at(destination.to_string());
        let survey = store.survey(&filter).await.map_err(failed)?;
        if survey.out_of_reach > 0 && !arguments.prefix {
            return Err(out_of_reach(destination, &survey).into());
        }
        if arguments.dry_run {
            say(arguments, destination, survey.letters, "would be deleted", &survey);
            continue;
        }
        if survey.letters > 0 && !arguments.yes && !asked(destination, &survey) {
            print_line("nothing was deleted");
            return Ok(Exit::Success);
        }
        let deleted = store.purge(&filter, &survey).await.map_err(failed)?;
        say(arguments, destination, deleted, "deleted", &survey);
    }
    Ok(Exit::Success)
}

fn out_of_reach(destination: &Destination, survey: &Survey) -> Problem {
    let position = survey.in_the_way.as_ref().map_or_else(String::new, ToString::to_string);
    let what = format!(
        "kafka deletes records only from the beginning of a partition, and {} of {} selected by the filters come after dead letters to keep, the first of them at {position}",
        survey.out_of_reach,
        words::letters(survey.letters + survey.out_of_reach),
    );
    let remedy = format!(
        "replay the dead letters to keep first, or select them too; --prefix deletes the {} before them",
        survey.letters
    );
    Problem::new(Exit::Data, what, remedy).at(destination.to_string())
}

fn asked(destination: &Destination, survey: &Survey) -> bool {
    let _ = write!(
        std::io::stderr(),
        "delete {} from {destination} permanently? (yes/no) ",
        words::letters(survey.letters)
    );
    let _ = std::io::stderr().flush(); // where it cannot be seen it will not be answered by yes
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "yes" | "y")
}

fn say(arguments: &Arguments, destination: &Destination, letters: u64, verb: &str, survey: &Survey) {
    if arguments.output.json {
        let line = json!({
            "from": destination.to_string(),
            "dry_run": arguments.dry_run,
            "letters": letters,
            "out_of_reach": survey.out_of_reach,
            "unseen": survey.unseen,
        });
        return print_json(&line.to_string());
    }
    print_line(&format!("{destination}: {} {verb}", words::letters(letters)));
    if survey.out_of_reach > 0 {
        print_line(&format!("  {} stay: they come after dead letters that the filters keep", survey.out_of_reach));
    }
    if survey.unseen > 0 {
        print_line(&format!("  about {} more are not visible now", survey.unseen));
    }
}
