//! The history of a run, judged: one judge for each route, since each has its own records, owners and bounds.

use std::path::Path;
use std::time::Duration;

use cofferdam_core::source::Acknowledgement;
use cofferdam_guarantees::{Fact, Judge, Limit, Report, Since, Terms, What};

use super::history::History;
use crate::config::{Config, RouteConfig};
use crate::exit::Problem;

/// How soon a host brings what it has received to its end, where no fault takes it away: with its retries behind those of
/// its key, a pause past the session, and a machine with little time.
const WITHIN: Duration = Duration::from_secs(45);

/// Judges the history in a folder; `config` is that of its hosts. A fact tells its route by the way in which the source is
/// acknowledged, so a run has one route for each way (a test holds the brokers to that).
pub(super) fn judge(folder: &Path, config: &Config) -> Result<Report, Problem> {
    let judge = |route: &RouteConfig| {
        let limit = Some(Limit { within: WITHIN, since: Since::Receipt });
        let terms = Terms::of(&route.route(None));
        let terms = Terms { sinks_keep_order: true, handlers_agree: true, limit, ..terms };
        (route.source.traits.acknowledgement, Judge::new(terms))
    };
    let mut judges: Vec<_> = config.routes.iter().map(judge).collect();
    let mut history = History::open(folder)?;
    while let Some(fact) = history.next()? {
        let about = about(&fact);
        for (acknowledgement, judge) in &mut judges {
            if about.is_none_or(|about| about == *acknowledgement) {
                judge.take(&fact);
            }
        }
    }
    let mut report = Report::default();
    for (_, judge) in judges {
        report.add(&judge.finish());
    }
    Ok(report)
}

/// How the source of the route that a fact is about is acknowledged; `None` where it is about a whole process.
fn about(fact: &Fact) -> Option<Acknowledgement> {
    match &fact.what {
        What::Killed | What::Calm | What::Quiet | What::Started | What::Draining | What::Stopped => None,
        What::Paused | What::Resumed | What::TriesOne => None,
        What::TopicDeleted { .. }
        | What::Moved { .. }
        | What::Assigned { .. }
        | What::GaveUp { .. }
        | What::Lost { .. }
        | What::Commits { .. }
        | What::Committed { .. } => Some(Acknowledgement::Cumulative),
        What::Deletes { .. } | What::Deleted { .. } | What::LeaseLost { .. } => Some(Acknowledgement::Each),
        What::Received { records } => records.first().map(|record| of(record)),
        What::Produced { record, .. }
        | What::Found { record, .. }
        | What::Outstanding { record }
        | What::Handling { record, .. }
        | What::Handled { record, .. }
        | What::Suppressed { record, .. }
        | What::Discarded { record, .. }
        | What::Durable { record, .. }
        | What::Late { record, .. }
        | What::Refused { record, .. }
        | What::Redriven { record }
        | What::Settled { record, .. } => Some(of(record)),
    }
}

/// How a record is acknowledged: the id of one in a partition is topic, partition and offset; that of a message has no slash.
fn of(record: &str) -> Acknowledgement {
    if record.contains('/') { Acknowledgement::Cumulative } else { Acknowledgement::Each }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::broker;
    use crate::broker::verify::Names;
    use crate::verify::{Delivery, hosts};

    #[test]
    fn no_two_brokers_are_acknowledged_alike_so_that_a_fact_tells_its_route() {
        let sections = "kafka = { bootstrap_servers = \"b:1\" }\nsqs = { endpoint = \"http://s:1\" }".parse().unwrap();
        let text = hosts::configuration(&sections, Delivery::default(), &Names::of("1a2b"), 1).to_string();
        let config =
            Config::parse(&text, Path::new("slot-1.toml"), &|_| None).unwrap_or_else(|error| panic!("{error}"));
        let ways: Vec<Acknowledgement> = config.routes.iter().map(|it| it.source.traits.acknowledgement).collect();
        assert_eq!(ways.len(), broker::ALL.len(), "a broker has no section in this test");
        for (place, way) in ways.iter().enumerate() {
            assert!(!ways[..place].contains(way), "{ways:?}");
        }
    }
}
