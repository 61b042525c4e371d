//! The history of a run, judged: one judge for each route, since each has its own records, owners and bounds.

use std::path::Path;
use std::time::Duration;

use cofferdam_guarantees::{Fact, Judge, Limit, Report, Since, Terms, What};

use super::history::History;
use super::workload::Broker;
use crate::broker::kafka;
use crate::config::{Config, RouteConfig};
use crate::exit::Problem;

/// How soon a host brings what it has received to its end, where no fault takes it away: with its retries behind those of
/// its key, a pause past the session, and a machine with little time.
const WITHIN: Duration = Duration::from_secs(45);

/// Judges the history in a folder; `config` is that of its hosts.
pub(super) fn judge(folder: &Path, config: &Config) -> Result<Report, Problem> {
    let judge = |broker| {
        let route = config.routes.iter().find(|route| self::broker(route) == broker)?;
        let limit = Some(Limit { within: WITHIN, since: Since::Receipt });
        let terms = Terms::of(&route.route(None));
        Some(Judge::new(Terms { sinks_keep_order: true, handlers_agree: true, limit, ..terms }))
    };
    let (mut kafka, mut sqs) = (judge(Broker::Kafka), judge(Broker::Sqs));
    let mut history = History::open(folder)?;
    while let Some(fact) = history.next()? {
        let about = about(&fact);
        for (broker, judge) in [(Broker::Kafka, &mut kafka), (Broker::Sqs, &mut sqs)] {
            if let Some(judge) = judge
                && about.is_none_or(|about| about == broker)
            {
                judge.take(&fact);
            }
        }
    }
    let mut report = Report::default();
    for judge in [kafka, sqs].into_iter().flatten() {
        report.add(&judge.finish());
    }
    Ok(report)
}

fn broker(route: &RouteConfig) -> Broker {
    if route.source.broker == kafka::NAME { Broker::Kafka } else { Broker::Sqs }
}

/// The route that a fact is about; `None` where it is about a whole process.
fn about(fact: &Fact) -> Option<Broker> {
    match &fact.what {
        What::Killed | What::Calm | What::Quiet | What::Started | What::Draining | What::Stopped => None,
        What::Paused | What::Resumed | What::TriesOne => None,
        What::TopicDeleted { .. }
        | What::Moved { .. }
        | What::Assigned { .. }
        | What::GaveUp { .. }
        | What::Lost { .. }
        | What::Commits { .. }
        | What::Committed { .. } => Some(Broker::Kafka),
        What::Deletes { .. } | What::Deleted { .. } | What::LeaseLost { .. } => Some(Broker::Sqs),
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

/// Where a record is from: on Kafka its id is topic, partition and offset; on SQS it has no slash.
fn of(record: &str) -> Broker {
    if record.contains('/') { Broker::Kafka } else { Broker::Sqs }
}
