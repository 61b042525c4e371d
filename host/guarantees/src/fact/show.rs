//! Facts as lines for people.

use std::fmt;

use super::{Effect, Fact, What};

/// `1970-01-01T00:16:40.000Z host 2: handles t/0/3, attempt 1`.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            0 => write!(f, "{} world: {}", self.at, self.what),
            host => write!(f, "{} host {host}: {}", self.at, self.what),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Produced { record, lane, event_id } => {
                write!(f, "{record} is produced")?;
                lane.iter().try_for_each(|lane| write!(f, ", in lane {lane}"))?;
                event_id.iter().try_for_each(|event| write!(f, ", of {event}"))
            }
            Self::TopicDeleted { partition } => write!(f, "{partition} is deleted"),
            Self::Moved { partition, offset } => write!(f, "somebody moves {partition} to {offset}"),
            Self::Killed => f.write_str("is killed"),
            Self::Found { record, effect } => write!(f, "{effect} of {record} is found"),
            Self::Calm => f.write_str("is calm"),
            Self::Quiet => f.write_str("only refused dead letters are waited for"),
            Self::Outstanding { record } => write!(f, "{record} is outstanding"),
            Self::Started => f.write_str("starts"),
            Self::Assigned { partitions } => write!(f, "is assigned {}", partitions.join(" ")),
            Self::GaveUp { partitions } => write!(f, "has given up {}", partitions.join(" ")),
            Self::Lost { partitions } => write!(f, "has lost {}", partitions.join(" ")),
            Self::Received { records } => write!(f, "receives {}", records.join(" ")),
            Self::Handling { record, attempt } => write!(f, "handles {record}, attempt {attempt}"),
            Self::Handled { record, attempt, outcome, outputs } => {
                write!(f, "attempt {attempt} on {record} ends {outcome} with {outputs} outputs")
            }
            Self::Suppressed { record, attempt } => write!(f, "attempt {attempt} on {record} is not made: a duplicate"),
            Self::Discarded { record, attempt } => {
                write!(f, "attempt {attempt} on {record} has ended and is discarded")
            }
            Self::Durable { record, effect } => write!(f, "{effect} of {record} is durable"),
            Self::Late { record, effect } => write!(f, "{effect} of {record} is durable after all"),
            Self::Refused { record, effect } => write!(f, "{effect} of {record} is refused for ever"),
            Self::Settled { record, fate } => write!(f, "{record} is settled: {fate:?}"),
            Self::Commits { partition, offset, finished, attempts } => {
                write!(f, "commits {partition} up to {offset}")?;
                if !finished.is_empty() || !attempts.is_empty() {
                    write!(f, ", finished {finished:?}, attempts {attempts:?}")?;
                }
                Ok(())
            }
            Self::Committed { partition, offset } => write!(f, "{partition} is committed up to {offset}"),
            Self::Deletes { record } => write!(f, "deletes {record}"),
            Self::Deleted { record } => write!(f, "{record} is deleted"),
            Self::LeaseLost { record } => write!(f, "has lost its lease on {record}"),
            Self::Paused => f.write_str("is paused"),
            Self::Resumed => f.write_str("is resumed"),
            Self::TriesOne => f.write_str("is told to try one message"),
            Self::Draining => f.write_str("is told to stop"),
            Self::Redriven { record } => write!(f, "{record} is moved away by its queue"),
            Self::Stopped => f.write_str("has stopped"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(index) => write!(f, "output {index}"),
            Self::DeadLetter => f.write_str("the dead letter"),
            Self::ErrorEvent => f.write_str("the error event"),
        }
    }
}
