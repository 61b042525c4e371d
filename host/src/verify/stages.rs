//! The topics and queues of a run at all its brokers, which nobody else uses: made, written, read, removed.

use std::time::{Duration, Instant};

use cofferdam_core::source::SourceTraits;
use tokio::sync::mpsc;

use super::found::Found;
use super::workload::Workload;
use crate::broker::verify::{Item, Names, PATIENCE, Stage, Writer};
use crate::config::Config;
use crate::exit::Problem;

/// Time between two questions to a broker that did not answer.
const AGAIN: Duration = Duration::from_millis(100);

/// What was read and waits to be taken down, at most.
const READ: usize = 1_000;

/// What a run has at its brokers: logs first, then queues.
pub(super) struct Stages {
    pub(super) names: Names,
    places: Vec<Place>,
}

/// What it has at one of them.
struct Place {
    /// The broker, by the word of the configuration.
    broker: &'static str,
    /// The abilities of the source that the hosts read.
    traits: SourceTraits,
    stage: Box<dyn Stage>,
}

impl Stages {
    /// Makes the clients; asks no broker.
    pub(super) async fn new(config: &Config, names: Names) -> Result<Self, Problem> {
        let mut places = Vec::new();
        for subject in config.subjects() {
            let broker = subject.kind().name;
            let Some(route) = config.routes.iter().find(|route| route.source.broker == broker) else { continue };
            places.push(Place { broker, traits: route.source.traits, stage: subject.stage(&names).await? });
        }
        places.sort_by_key(|place| place.traits.acknowledges_each());
        Ok(Self { names, places })
    }

    /// The brokers, in the order in which a workload numbers them.
    pub(super) fn brokers(&self) -> impl Iterator<Item = &'static str> {
        self.places.iter().map(|place| place.broker)
    }

    /// How many of them are queues.
    pub(super) fn queues(&self) -> usize {
        self.places.iter().filter(|place| place.traits.acknowledges_each()).count()
    }

    /// Makes all topics and queues.
    pub(super) async fn make(&self) -> Result<(), Problem> {
        for place in &self.places {
            place.stage.make().await?;
        }
        Ok(())
    }

    /// Removes all topics and queues, and the group; what is not there is no error. Goes on after an error, and returns the
    /// last one.
    pub(super) async fn remove(&self) -> Result<(), Problem> {
        let mut result = Ok(());
        for place in &self.places {
            result = place.stage.remove().await.and(result);
        }
        result
    }

    /// A writer to each broker, in their order.
    pub(super) async fn writers(&self) -> Result<Vec<(&'static str, Box<dyn Writer>)>, Problem> {
        let mut writers = Vec::new();
        for place in &self.places {
            writers.push((place.broker, place.stage.writer().await?));
        }
        Ok(writers)
    }

    /// Messages that are not acknowledged. A broker that is busy with itself is asked again.
    pub(super) async fn left(&self) -> Result<u64, Problem> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ask_left().await {
                Err(_) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
                left => return left,
            }
        }
    }

    async fn ask_left(&self) -> Result<u64, Problem> {
        let mut left = 0;
        for place in &self.places {
            left += place.stage.left().await?;
        }
        Ok(left)
    }

    /// Reads all that the hosts have written, and what is left of the sources.
    pub(super) async fn read(&self, workload: &Workload, found: &mut Found) -> Result<(), Problem> {
        for place in &self.places {
            let (to, mut items) = mpsc::channel(READ);
            let found = &mut *found;
            let take = async move {
                while let Some(item) = items.recv().await {
                    match item {
                        Item::Outstanding(record) => found.outstanding(record.into())?,
                        Item::Stored(stored) => found.take(place.broker, place.traits.layout, &stored, workload)?,
                    }
                }
                Ok(())
            };
            let (taken, read) = tokio::join!(take, place.stage.read(to));
            taken.and(read)?;
        }
        Ok(())
    }
}
