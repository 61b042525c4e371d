//! `cofferdam dlq list`.

use clap::Args;

use super::super::run::runtime;
use super::super::{Ended, OutputArguments, print_json, print_line};
use super::choice::Choice;
use super::place::Place;
use super::table::{Table, shortened};
use super::{Where, words};
use crate::dead_letters::filter::State;
use crate::dead_letters::{Found, Next};
use crate::exit::{Exit, Problem};

const HEADINGS: [&str; 8] = ["POSITION", "TIME", "OUTCOME", "CODE", "HANDLER", "ATTEMPTS", "KEY", "TEXT"];

/// Default number of rows of the table.
const ROWS: u64 = 100;

#[derive(Args)]
pub(in super::super) struct Arguments {
    /// Topic or queue: kafka:TOPIC, sqs:QUEUE, or the name alone where it is unambiguous.
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
    #[command(flatten)]
    which: Where,
    /// List only replayed dead letters (topics only).
    #[arg(long, help_heading = "Filters")]
    replayed: bool,
    /// Include replayed dead letters (topics only).
    #[arg(long, help_heading = "Filters", conflicts_with = "replayed")]
    all: bool,
    /// List at most this many dead letters; by default 100 lines, or all with --json.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Filters")]
    limit: Option<u64>,
    #[command(flatten)]
    pub(in super::super) output: OutputArguments,
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    runtime()?.block_on(list(arguments))
}

async fn list(arguments: &Arguments) -> Ended {
    let json = arguments.output.json;
    let place = Place::find(&arguments.which, arguments.destination.as_deref()).await?;
    let state = match (arguments.replayed, arguments.all) {
        (true, _) => State::Replayed,
        (_, true) => State::Any,
        _ => State::Open,
    };
    let filter = arguments.choice.filter(state);
    let limit = arguments.limit.unwrap_or(if json { u64::MAX } else { ROWS });
    let (mut listed, mut more) = (0, false);
    for destination in &place.destinations {
        let store = place.brokers.dead_letters(destination).await?;
        words::warn_of_receives(&*store);
        let mut table = Table::new(&HEADINGS);
        let mut rows = 0_u64;
        let mut look = |found: Found| {
            if !filter.takes(&found) {
                return Next::More;
            }
            if listed == limit {
                more = true;
                return Next::Enough;
            }
            listed += 1;
            rows += 1;
            if json {
                print_json(&words::summary(&found).to_string());
            } else {
                table.row(row(&found));
            }
            Next::More
        };
        let looked = store.look(&mut look);
        let looked = looked.await.map_err(|error| error.problem().at(destination.to_string()))?;
        if !json {
            print_line(&format!("{destination}: {}", words::letters(rows)));
            if rows > 0 {
                table.lines().iter().for_each(|line| print_line(line));
            }
        }
        if !more {
            words::say_unseen(destination, looked);
        }
    }
    if more {
        tell!("cofferdam: more dead letters exist; raise --limit, or narrow the filters");
    }
    Ok::<_, Vec<Problem>>(Exit::Success)
}

#[cfg(test)]
pub(super) fn table(letters: &[Found]) -> Table {
    let mut table = Table::new(&HEADINGS);
    letters.iter().for_each(|found| table.row(row(found)));
    table
}

/// Returns the text without the reason why there was no further attempt. It is shortened in front of the location at
/// its end, so that the error and the location stay visible.
fn shortened_text(text: &str) -> String {
    const MOST: usize = 80;
    const PLACE: usize = 40;
    let text = text.rfind(" (not retried: ").map_or(text, |end| &text[..end]);
    match text.rfind(" (").map(|at| text.split_at(at)) {
        Some((what, place)) if text.chars().count() > MOST && place.chars().count() <= PLACE => {
            format!("{}{place}", shortened(what, MOST - place.chars().count()))
        }
        _ => shortened(text, MOST),
    }
}

fn row(found: &Found) -> Vec<String> {
    let time = found.time().map_or_else(|| "-".into(), words::seconds);
    let key = found.letter.original.key.as_deref().map_or_else(|| "-".into(), super::super::bytes::shown);
    let reasons = found.reasons();
    let word = |word: Option<&str>| match word {
        Some(word) if !word.is_empty() => shortened(&words::escaped(word), 32),
        _ => "-".to_owned(),
    };
    vec![
        found.position.to_string(),
        time,
        word(reasons.map(|reasons| reasons.outcome.as_deref().unwrap_or_default())),
        word(reasons.map(|reasons| reasons.code.as_deref().unwrap_or_default())),
        word(reasons.and_then(|reasons| reasons.handler.as_deref())),
        reasons.map_or_else(|| "-".into(), |reasons| words::attempts(reasons).to_string()),
        shortened(&key, 24),
        shortened_text(&words::text(found)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_failed_and_where_however_long_the_text_is() {
        let again = " (not retried: the same fault repeated; 3 of 5 attempts left)";
        for (text, shown) in [
            ("KeyError: 'nope' (orders.py:65)".to_owned(), "KeyError: 'nope' (orders.py:65)".to_owned()),
            (
                format!("ValueError: {} (orders.py:65)", "é".repeat(99)),
                format!("ValueError: {}… (orders.py:65)", "é".repeat(52)),
            ),
            ("x".repeat(99), format!("{}…", "x".repeat(79))),
            (format!("a ({})", "x".repeat(99)), format!("a ({}…", "x".repeat(76))),
        ] {
            assert_eq!(shortened_text(&format!("{text}{again}")), shown);
            assert_eq!(shortened_text(&text), shown);
        }
    }
}
