//! The topics and queues of a run, which nobody else uses: made, named to the hosts, removed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;

use crate::aws::words;
use crate::config::{Kafka, Sqs};
use crate::exit::{Exit, Problem};
use crate::kafka::topics::{self, Creation, Needed, Tier, Topics};

/// Partitions of the topic that the hosts read.
const PARTITIONS: u32 = 8;

/// How long a group without living members may take until it can be removed.
const GROUP_LIMIT: Duration = Duration::from_secs(20);

/// How long the brokers keep what a run that was killed leaves behind.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// What a topic or queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    In,
    Out,
    Dead,
    Errors,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [Self::In, Self::Out, Self::Dead, Self::Errors];

    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Dead => "dead",
            Self::Errors => "errors",
        }
    }
}

/// What everything of a run is called: `cofferdam-verify-`, the id of the run, and what it is for.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// What all names begin with, and the name of the group.
    pub(super) stem: String,
}

const STEM: &str = "cofferdam-verify-";

impl Names {
    /// Of the run with this id, which may also be the stem.
    pub(super) fn of(id: &str) -> Self {
        Self { stem: format!("{STEM}{}", id.trim_start_matches(STEM)) }
    }

    pub(super) fn id(&self) -> &str {
        self.stem.trim_start_matches(STEM)
    }

    pub(super) fn topic(&self, part: Part) -> String {
        format!("{}-{}", self.stem, part.word())
    }

    /// Error events need no order; all else keeps that of the message groups.
    pub(super) fn queue(&self, part: Part) -> String {
        let fifo = if part == Part::Errors { "" } else { ".fifo" };
        format!("{}-{}{fifo}", self.stem, part.word())
    }
}

/// Clients that make and remove what the names name.
pub(super) struct Stage {
    pub(super) names: Names,
    topics: Option<Topics>,
    pub(super) sqs: Option<aws_sdk_sqs::Client>,
}

impl Stage {
    /// Makes the clients; asks no broker.
    pub(super) async fn new(kafka: Option<&Kafka>, sqs: Option<&Sqs>, names: Names) -> Result<Self, Problem> {
        let topics = kafka.map(|kafka| {
            let config = topics::Config {
                bootstrap_servers: kafka.bootstrap_servers.clone(),
                client_id: format!("{}-admin", names.stem),
                properties: kafka.properties.0.clone(),
            };
            config.build().map_err(|error| unavailable(&error))
        });
        let sqs = match sqs {
            Some(sqs) => Some(crate::aws::client(sqs.region.as_deref(), sqs.endpoint.as_deref()).await),
            None => None,
        };
        Ok(Self { names, topics: topics.transpose()?, sqs })
    }

    /// Makes all topics and queues.
    pub(super) async fn make(&self) -> Result<(), Problem> {
        if let Some(topics) = &self.topics {
            let tier = |partitions| Tier { partitions, retention: RETENTION, ..Tier::standard() };
            let needed = Part::ALL.map(|part| {
                let partitions = if matches!(part, Part::In | Part::Out) { PARTITIONS } else { 1 };
                Needed { name: self.names.topic(part).into(), tier: tier(partitions) }
            });
            topics.ensure(&needed, Creation::Done).await.map_err(|error| unavailable(&error))?;
        }
        let Some(sqs) = &self.sqs else { return Ok(()) };
        for name in Part::ALL.map(|part| self.names.queue(part)) {
            let fifo = name.ends_with(".fifo").then(|| (QueueAttributeName::FifoQueue, "true".to_owned()));
            let retention = (QueueAttributeName::MessageRetentionPeriod, RETENTION.as_secs().to_string());
            let attributes: HashMap<_, _> = fifo.into_iter().chain([retention]).collect();
            let made = sqs.create_queue().queue_name(&name).set_attributes(Some(attributes)).send().await;
            made.map_err(|error| {
                let text = words::of(&error);
                Problem::new(Exit::Unavailable, format!("failed to create queue {name}: {text}"), "")
            })?;
        }
        Ok(())
    }

    /// A group has its members until the session of the last one that was killed is over.
    async fn remove_kafka(&self, topics: &Topics, names: &[Arc<str>]) -> Result<(), Problem> {
        let until = Instant::now() + GROUP_LIMIT;
        loop {
            match topics.remove(names, &self.names.stem).await {
                Err(_) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                removed => return removed.map_err(|error| unavailable(&error)),
            }
        }
    }

    /// Removes all topics and queues, and the group; what is not there is no error. Goes on after the first error.
    pub(super) async fn remove(&self) -> Result<(), Problem> {
        let mut result = Ok(());
        if let Some(topics) = &self.topics {
            let names: Vec<Arc<str>> = Part::ALL.map(|part| self.names.topic(part).into()).into();
            result = self.remove_kafka(topics, &names).await;
        }
        let Some(sqs) = &self.sqs else { return result };
        for name in Part::ALL.map(|part| self.names.queue(part)) {
            let url = match sqs.get_queue_url().queue_name(&name).send().await {
                Ok(found) => found.queue_url,
                Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => None,
                Err(error) => {
                    result = Err(unremoved(&name, &words::of(&error)));
                    None
                }
            };
            let Some(url) = url else { continue };
            if let Err(error) = sqs.delete_queue().queue_url(url).send().await {
                result = Err(unremoved(&name, &words::of(&error)));
            }
        }
        result
    }
}

pub(super) fn unavailable(error: &dyn std::error::Error) -> Problem {
    Problem::new(Exit::Unavailable, error.to_string(), "")
}

fn unremoved(name: &str, text: &str) -> Problem {
    Problem::new(Exit::Unavailable, format!("failed to remove queue {name}: {text}"), "")
}
