//! `cofferdam dlq replay`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cofferdam_core::message::{Position, Record};
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::invoke::{self, Given, Setting};
use super::super::run::runtime;
use super::super::{Ended, OutputArguments, print_json, print_line};
use super::choice::{Choice, moment};
use super::place::{Place, destination};
use super::{Where, show, words};
use crate::broker::known_as;
use crate::clock::Clock;
use crate::dead_letters::filter::State;
use crate::dead_letters::origins::Origins;
use crate::dead_letters::pace::Rate;
use crate::dead_letters::replay::{Order, Report};
use crate::exit::{Exit, Problem};
use crate::signal::Signals;

#[derive(Args)]
pub(in super::super) struct Arguments {
    /// Topic or queue (not with --route), and positions as `list` shows them; without positions, all dead letters that the
    /// filters select.
    #[arg(value_name = "DESTINATION POSITION")]
    what: Vec<String>,
    #[command(flatten)]
    which: Where,
    /// Replay dead letters again if their last replay was before this time (topics only): ISO 8601, or an age. To resume after
    /// an interruption, give the absolute time.
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = "Filters")]
    again: Option<Time>,
    /// Replay at most this many dead letters.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Filters")]
    limit: Option<u64>,
    /// Send the dead letters to this destination instead of their sources: kafka:TOPIC or sqs:QUEUE.
    #[arg(long, value_name = "DESTINATION")]
    to: Option<String>,
    /// Also send dead letters whose source no configured route reads.
    #[arg(long, conflicts_with = "to")]
    to_unknown: bool,
    /// Limit the send rate: 50/s, 100/m, 1000/h.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<Rate>,
    /// Show the number of dead letters for each destination, and send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Call this plugin file with one dead letter as `invoke` does, and send and write nothing. The settings come from the
    /// route where the message failed, or from --route.
    #[arg(long, value_name = "FILE.wasm", conflicts_with_all = ["to", "to_unknown", "rate", "dry_run", "again"])]
    plugin: Option<PathBuf>,
    #[command(flatten)]
    pub(in super::super) output: OutputArguments,
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    match &arguments.plugin {
        Some(plugin) => locally(arguments, plugin),
        None => runtime()?.block_on(replay(arguments)),
    }
}

fn locally(arguments: &Arguments, plugin: &Path) -> Ended {
    let which = &arguments.which;
    let (place, found) = runtime()?.block_on(async {
        let (destination, position) = show::named(&arguments.what, which)?;
        let place = Place::find(which, destination).await?;
        let found = show::find(&place, position).await?;
        Ok::<_, Vec<Problem>>((place, found))
    })?;
    let failed_in = found.reasons().and_then(|reasons| reasons.route.as_deref());
    let known = |name: &&str| place.config.routes.iter().any(|route| route.name() == *name);
    let setting = match which.route.as_deref().or(failed_in.filter(known)) {
        Some(route) => Setting::of_route(&place.config, route)?,
        None => Setting::plain(plugin, &[], Some(&place.config))?,
    };
    let record: Record = found.letter.original;
    let given = Given { record: Arc::new(record), id: None, attributes: Vec::new(), attempt: 1 };
    invoke::give(plugin, setting, &given, None, arguments.output.json)
}

async fn replay(arguments: &Arguments) -> Ended {
    let (name, positions) = match (&arguments.which.route, &*arguments.what) {
        (None, [name, positions @ ..]) => (Some(&**name), positions),
        (_, positions) => (None, positions),
    };
    let place = Place::find(&arguments.which, name).await?;
    place.no_route_reads("replay it")?;
    let state = arguments.again.map_or(State::Open, State::ReplayedBefore);
    let mut filter = arguments.choice.filter(state);
    filter.positions = positions.iter().map(|position| Position::of(position)).collect();
    let to = arguments.to.as_deref().map(|to| destination(&place.config, &place.brokers, to)).transpose()?;
    let is_replayed =
        |to: &&Destination| place.destinations.iter().any(|destination| known_as(destination) == known_as(to));
    if let Some(to) = to.as_ref().filter(is_replayed) {
        let what = format!("--to {to} is the destination that is replayed: the copies would have no reasons");
        return Err(Problem::new(Exit::Usage, what, "name another destination, or omit --to").into());
    }
    let mut order = Order {
        filter,
        limit: arguments.limit.unwrap_or(u64::MAX),
        to,
        origins: if arguments.to_unknown { Origins::any() } else { place.brokers.origins() },
        rate: arguments.rate,
        dry: arguments.dry_run,
        id: uuid::Uuid::now_v7().to_string(),
        time: Clock::set().now(),
    };
    let mut outlet = place.brokers.outlet()?;
    let stop = until_signal();
    let mut worst = Exit::Success;
    let mut missing = order.filter.positions.clone();
    // All stores are opened first, so that a replayed message that becomes a dead letter again is not replayed in the
    // same run.
    let mut stores = Vec::with_capacity(place.destinations.len());
    for destination in &place.destinations {
        stores.push((destination, place.brokers.dead_letters(destination).await?));
    }
    for (destination, store) in stores {
        words::warn_of_receives(&*store);
        let bar = bar(store.about());
        let steps = bar.clone();
        let mut report = Report::new(move |letters| steps.inc(letters));
        let replayed = store.replay(&order, &mut outlet, &stop, &mut report).await;
        bar.finish_and_clear();
        say(&destination.to_string(), &order, &report, arguments.output.json);
        replayed.map_err(|error| {
            let problem = error.problem();
            let remedy = match &*problem.remedy {
                "" => "nothing is lost: run the same command again to continue".to_owned(),
                remedy => format!("nothing is lost: {remedy}, and run the same command again"),
            };
            Problem { remedy, ..problem }.at(destination.to_string())
        })?;
        order.limit = order.limit.saturating_sub(report.total());
        if report.homeless + report.unknowns + report.refusals > 0 {
            worst = Exit::Data;
        }
        missing.retain(|position| report.named.iter().all(|named| named.position != *position));
        if report.stopped {
            return Ok(Exit::Interrupted);
        }
        // The rest was not looked at.
        if order.limit == 0 {
            return Ok(worst);
        }
    }
    none_is_missing(&missing, &place)?;
    Ok(worst)
}

/// Checks that there was a dead letter at each position.
fn none_is_missing(missing: &[Position], place: &Place) -> Result<(), Problem> {
    if missing.is_empty() {
        return Ok(());
    }
    let listed = missing.iter().map(|position| format!("\"{position}\"")).collect::<Vec<_>>().join(", ");
    let destinations = place.destinations.iter().map(ToString::to_string).collect::<Vec<_>>();
    let remedy = format!("`cofferdam dlq list {}` shows the positions", destinations.first().map_or("", |first| first));
    Err(Problem::new(Exit::Data, format!("no dead letter at {listed}"), remedy).at(destinations.join(", ")))
}

/// Returns a token that the first signal cancels; the second signal ends the process.
fn until_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let mut signals = Signals::listen();
        signals.next().await;
        token.cancel();
        tell!("cofferdam: stopping after the dead letters in flight");
        signals.next().await;
        std::process::exit(Exit::Interrupted as i32);
    });
    stop
}

/// Returns a progress bar, which is visible only on a terminal.
fn bar(letters: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} read, {per_sec}, {eta} left");
    let bar = ProgressBar::new(letters);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn say(from: &str, order: &Order, report: &Report, json: bool) {
    if json {
        let sent = report.sent.iter().map(|(to, letters)| (to.to_string(), (*letters).into())).collect();
        let refused: Vec<_> =
            report.refused.iter().map(|(letter, why)| json!({ "letter": letter, "why": why })).collect();
        let line = json!({
            "from": from,
            "replay": order.id,
            "time": order.time.to_string(),
            "dry_run": order.dry,
            "letters": report.total(),
            "sent": serde_json::Value::Object(sent),
            "repeated": report.repeated,
            "retimed": report.retimed,
            "without_source": report.homeless,
            "unknown_source": report.unknowns,
            "unknown_sources": report.unknown.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "returned": report.returned,
            "refused": report.refusals,
            "refusals": refused,
            "undeleted": report.undeleted,
            "unseen": report.unseen,
            "stopped": report.stopped,
        });
        print_json(&line.to_string());
    } else {
        in_words(from, order, report).iter().for_each(|line| print_line(line));
    }
}

pub(super) fn in_words(from: &str, order: &Order, report: &Report) -> Vec<String> {
    let verb = if order.dry { "would be sent" } else { "sent" };
    let mut lines = vec![match order.dry {
        true => format!("{from}: {} {verb}", words::letters(report.total())),
        false => format!("{from}: {} {verb}, replay {}", words::letters(report.total()), order.id),
    }];
    let mut say = |line: String| lines.push(format!("  {line}"));
    for (to, letters) in &report.sent {
        say(format!("{letters} to {}", words::escaped(&to.to_string())));
    }
    if report.repeated > 0 {
        let what = "may have been sent by an interrupted replay, and carry its id";
        say(format!("{} of them {what}", report.repeated));
    }
    if report.retimed > 0 {
        let why = "their topic would soon delete records with the original one";
        say(format!("{} of them carry the current time as timestamp: {why}", report.retimed));
    }
    if report.homeless > 0 {
        say(format!("{} name no source, and stay; --to sends them to a destination", report.homeless));
    }
    if report.unknowns > 0 {
        let what = "name a source that no configured route reads, and stay; --to-unknown sends them there:";
        say(format!("{} {what}", report.unknowns));
        for (origin, letters) in &report.unknown {
            say(format!("  {letters} name {}", words::escaped(&origin.to_string())));
        }
    }
    if report.returned > 0 {
        say(format!("{} failed again during the replay, and stay for the next one", report.returned));
    }
    if report.refusals > 0 {
        say(format!("{} were rejected permanently, and stay:", report.refusals));
        for (letter, why) in &report.refused {
            say(format!("  {}: {}", words::escaped(letter), words::escaped(why)));
        }
    }
    for named in report.named.iter().filter(|named| !named.is_taken) {
        let why = match named.is_replayed {
            true => "was replayed before, and is not sent again; --again sends it again",
            false => "is not selected by the other conditions",
        };
        say(format!("{} {why}", words::escaped(&named.position.to_string())));
    }
    if report.undeleted > 0 {
        say(format!(
            "{} were sent but not deleted: the next replay sends them again, with the same letter and count",
            report.undeleted
        ));
    }
    if report.unseen > 0 {
        say(format!("about {} more are not visible now", report.unseen));
    }
    if report.stopped {
        say("stopped: run the same command again to continue".to_owned());
    }
    lines
}

fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || "expected for example 50/s, 100/m or 1000/h".to_owned();
    let (letters, unit) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let letters = letters.parse().ok().filter(|letters| *letters > 0).ok_or_else(wrong)?;
    Ok(Rate { letters, per: Duration::from_secs(seconds) })
}
