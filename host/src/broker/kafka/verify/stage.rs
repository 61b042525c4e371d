//! Creates, writes, reads and removes the topics of a run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use tokio::sync::mpsc;

use super::reader::Reader;
use super::writer::Writer;
use crate::broker::kafka::settings::Settings;
use crate::broker::kafka::topics::{self, Creation, Needed, Tier};
use crate::broker::verify::{self, Item, Names, Part, RETENTION, Stage};
use crate::exit::{Exit, Problem};

/// The number of partitions of the input topic and of the output topic.
const PARTITIONS: u32 = 8;

/// How long a group without living members may take until it can be removed: the session of a killed member must end
/// first.
const GROUP_LIMIT: Duration = Duration::from_secs(20);

/// Time between two attempts to remove it.
const AGAIN: Duration = Duration::from_millis(500);

/// The topics of a run.
pub(super) struct Topics {
    names: Names,
    settings: Settings,
    admin: topics::Topics,
    reader: Arc<Reader>,
}

impl Topics {
    /// Creates the clients; sends no request.
    pub(super) fn new(settings: &Settings, names: &Names) -> Result<Self, Problem> {
        let config = topics::Config {
            bootstrap_servers: settings.bootstrap_servers.clone(),
            client_id: format!("{}-admin", names.stem),
            properties: settings.properties.0.clone(),
        };
        let reader = Arc::new(Reader::new(settings, names)?);
        let admin = config.build().map_err(|error| unavailable(&error))?;
        Ok(Self { names: names.clone(), settings: settings.clone(), admin, reader })
    }
}

impl Stage for Topics {
    fn make(&self) -> BoxFuture<'_, Result<(), Problem>> {
        async {
            let tier = |partitions| Tier { partitions, retention: RETENTION, ..Tier::standard() };
            let needed = Part::ALL.map(|part| {
                let partitions = if matches!(part, Part::In | Part::Out) { PARTITIONS } else { 1 };
                Needed { name: self.names.name(part).into(), tier: tier(partitions) }
            });
            let made = self.admin.ensure(&needed, Creation::Done).await;
            made.map(drop).map_err(|error| unavailable(&error))
        }
        .boxed()
    }

    fn writer(&self) -> BoxFuture<'_, Result<Box<dyn verify::Writer>, Problem>> {
        let writer = Writer::new(&self.settings, self.names.name(Part::In));
        ready(writer.map(|writer| Box::new(writer) as Box<dyn verify::Writer>)).boxed()
    }

    fn left(&self) -> BoxFuture<'_, Result<u64, Problem>> {
        let reader = Arc::clone(&self.reader);
        blocking(move || reader.left()).boxed()
    }

    fn read(&self, to: mpsc::Sender<Item>) -> BoxFuture<'_, Result<(), Problem>> {
        let reader = Arc::clone(&self.reader);
        blocking(move || reader.read(&to)).boxed()
    }

    /// A group keeps a killed member until its session ends, so the removal is retried.
    fn remove(&self) -> BoxFuture<'_, Result<(), Problem>> {
        async {
            let names: Vec<Arc<str>> = Part::ALL.map(|part| self.names.name(part).into()).into();
            let until = Instant::now() + GROUP_LIMIT;
            loop {
                match self.admin.remove(&names, &self.names.stem).await {
                    Err(_) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
                    removed => return removed.map_err(|error| unavailable(&error)),
                }
            }
        }
        .boxed()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn unavailable(error: &topics::Error) -> Problem {
    Problem::new(Exit::Unavailable, error.to_string(), "")
}
