//! The connection to SQS that a configuration describes: client, queues, sources, sinks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use cofferdam_core::output::Destination;
use cofferdam_core::route::DeadLetterRule;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::dead_letters::{Fill, ToQueues};
use super::health::{self, QueueHealth, SqsHealth};
use super::purposes::Queues;
use super::queue::{self, Depth, Queue};
use super::settings::Settings;
use super::{dead_letters, redrive, sink, source};
use crate::admin::{BrokerHealth, LetterHealth};
use crate::broker::findings::Findings;
use crate::broker::{Broker, Read};
use crate::clock::Clock;
use crate::dead_letters::origins::Origins;
use crate::dead_letters::outlet::Target;
use crate::dead_letters::{Backlog, DeadLetters};
use crate::exit::{Exit, Problem};
use crate::plan::{self, Plan, RouteConfig};
use crate::sink::Sink;

/// Added to the wait of a long poll to get the time for which a closing source waits for its polls.
const LATER: Duration = Duration::from_secs(2);

/// The client, and the queues that routes name.
pub struct Connection {
    plan: Arc<Plan>,
    client: Client,
    queues: Queues,
    create: bool,
}

impl Connection {
    /// Creates the client; sends no request.
    pub async fn new(plan: Arc<Plan>, settings: &Settings) -> Self {
        let Settings { region, endpoint, create } = settings;
        let client = super::client(region.as_deref(), endpoint.as_deref()).await;
        let region = client.config().region().map(ToString::to_string);
        let queues = Queues::of(&plan.routes, endpoint.as_deref(), region.as_deref());
        Self { plan, client, queues, create: *create }
    }

    async fn queue(&self, name: &str) -> Result<Queue, Problem> {
        Queue::resolve(&self.client, name).await.map_err(|error| self.queues.problem(&error))
    }

    async fn depth(&self, name: &str) -> Result<Depth, Problem> {
        queue::depth(&self.client, name).await.map_err(|error| self.queues.problem(&error))
    }

    async fn ensure_queue(&self, name: &str, redrive: Option<(Arc<str>, u32)>) -> Result<Queue, Problem> {
        if let Some(queue) = self.found(name).await? {
            return Ok(queue);
        }
        let redrive = redrive.as_ref().map(|(arn, receives)| (&**arn, *receives));
        Queue::create(&self.client, name, redrive).await.map_err(|error| self.queues.problem(&error))?;
        tracing::info!(queue = name, "created queue");
        self.queue(name).await
    }

    /// Resolves the queue with this name; returns `None` if it does not exist and may be created.
    async fn found(&self, name: &str) -> Result<Option<Queue>, Problem> {
        match Queue::resolve(&self.client, name).await {
            Ok(queue) => Ok(Some(queue)),
            Err(queue::Error::Missing { .. }) if is_name(name) => Ok(None),
            Err(error) => Err(self.queues.problem(&error)),
        }
    }

    /// Creates the missing queues: first the destinations, then the sources, whose redrive policy moves messages to the
    /// dead-letter queue of the route.
    async fn create(&self) -> Result<(), Problem> {
        let routes = &self.plan.routes;
        let read: Vec<&str> = routes.iter().filter_map(queue_of).collect();
        for name in super::queues_of(routes).iter().filter(|name| !read.contains(&name.as_str())) {
            self.ensure_queue(name, None).await?;
        }
        for route in routes {
            let Some(source) = queue_of(route) else { continue };
            let found = self.found(source).await?;
            let letters = match route.route(found.as_ref().and_then(redrive::of)).dead_letter {
                DeadLetterRule::To(to) if to.broker == super::NAME => Some(self.ensure_queue(&to.name, None).await?),
                _ => None,
            };
            if found.is_none() {
                // Faults use up receives too, so the receive limit is higher than the number of attempts.
                let receives = 2 * route.route(None).policy.retry.max_attempts;
                let fits = letters.filter(|letters| letters.fifo == super::queue(source).is_fifo());
                let redrive = fits.and_then(|letters| letters.arn).map(|arn| (arn, receives.clamp(1, 1_000)));
                self.ensure_queue(source, redrive).await?;
            }
        }
        Ok(())
    }

    async fn queue_health(&self, name: String) -> QueueHealth {
        let empty =
            QueueHealth { name, available: None, in_flight: None, delayed: None, dead_letters: None, error: None };
        let depth = match self.depth(&empty.name).await {
            Ok(depth) => depth,
            Err(problem) => return QueueHealth { error: Some(problem.what), ..empty },
        };
        let redrive = self.queue(&empty.name).await.ok().and_then(|queue| queue.redrive);
        let dead_letters = match redrive {
            Some(queue) => {
                let available = self.depth(&queue).await.ok().map(|depth| depth.available);
                Some(health::DeadLetters { queue: queue.to_string(), available })
            }
            None => None,
        };
        let (available, in_flight) = (Some(depth.available), Some(depth.in_flight));
        QueueHealth { available, in_flight, delayed: Some(depth.delayed), dead_letters, ..empty }
    }
}

impl Broker for Connection {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn ensure(&self) -> BoxFuture<'_, Result<(), Problem>> {
        async { if self.create { self.create().await } else { Ok(()) } }.boxed()
    }

    fn examine<'a>(&'a self, findings: &'a mut Findings) -> BoxFuture<'a, ()> {
        async {
            let mut queues = BTreeMap::new();
            for name in super::queues_of(&self.plan.routes) {
                match Queue::resolve(&self.client, &name).await {
                    Ok(queue) => drop(queues.insert(name, queue)),
                    Err(queue::Error::Missing { .. }) if self.create && is_name(&name) => {
                        findings.creates.push(name.into());
                    }
                    Err(error) => findings.problems.push(self.queues.problem(&error)),
                }
            }
            for route in &self.plan.routes {
                let Some(queue) = queue_of(route) else { continue };
                let queue = queues.get(queue);
                if let Some(name) = default_letters(route, queue) {
                    match Queue::resolve(&self.client, &name).await {
                        Err(queue::Error::Missing { .. }) if self.create => findings.creates.push(name),
                        Err(error) => findings.problems.push(self.queues.problem(&error)),
                        Ok(_) => {}
                    }
                }
                let limits = |queue| redrive::limits(&route.route(redrive::of(queue)), queue);
                findings.limits.extend(queue.and_then(limits));
            }
        }
        .boxed()
    }

    fn source<'a>(&'a self, route: &'a RouteConfig, clock: Clock) -> BoxFuture<'a, Result<Read, Problem>> {
        async move {
            let read = &route.source;
            let queue = queue_of(route).unwrap_or_default();
            let source = source::Config {
                lease: read.traits.lease.unwrap_or_default().length,
                wait: read.wait,
                patience: read.wait + LATER,
                ..source::Config::new(self.client.clone(), queue, clock)
            };
            let source = source::Sqs::connect(source).await.map_err(|error| match error {
                source::Error::Queue(error) => self.queues.problem(&error),
                other => Problem::new(Exit::Unavailable, other.to_string(), ""),
            })?;
            let core = Arc::new(route.route(redrive::of(source.queue())));
            Ok::<Read, Problem>((Box::new(source), core))
        }
        .boxed()
    }

    fn sink<'a>(&'a self, names: BTreeSet<Arc<str>>) -> BoxFuture<'a, Result<Box<dyn Sink>, Problem>> {
        async move {
            let config = sink::Config { limit: None, ..sink::Config::new(self.client.clone()) };
            let sink = sink::Sqs::connect(config, names).await;
            sink.map(|sink| Box::new(sink) as Box<dyn Sink>).map_err(|error| self.queues.problem(&error))
        }
        .boxed()
    }

    fn dead_letters<'a>(&'a self, name: &'a Arc<str>) -> BoxFuture<'a, Result<Box<dyn DeadLetters>, Problem>> {
        async {
            let queue = dead_letters::Queue::open(self.client.clone(), name).await;
            queue.map(|queue| Box::new(queue) as Box<dyn DeadLetters>).map_err(|error| error.problem())
        }
        .boxed()
    }

    fn backlog(&self, name: &Arc<str>) -> Result<Box<dyn Backlog>, Problem> {
        Ok(Box::new(Fill::new(self.client.clone(), Arc::clone(name))))
    }

    fn dead_letters_of<'a>(&'a self, route: &'a RouteConfig) -> BoxFuture<'a, Result<Vec<Destination>, Problem>> {
        async {
            let queue = match queue_of(route).filter(|_| route.dead_letter.is_none()) {
                Some(queue) => Some(self.queue(queue).await?),
                None => None,
            };
            let rule = route.route(queue.as_ref().and_then(redrive::of)).dead_letter;
            Ok(route.source.named().take(1).map(|source| rule.beside(source)).collect())
        }
        .boxed()
    }

    fn target(&self) -> Result<Box<dyn Target>, Problem> {
        Ok(Box::new(ToQueues::new(self.client.clone())))
    }

    fn add_origins(&self, source: &plan::Source, origins: &mut Origins) {
        source.texts().for_each(|queue| super::add_origin(queue, origins));
    }

    fn is_exhausted<'a>(&'a self, source: &'a plan::Source, _received: u64) -> BoxFuture<'a, bool> {
        async move {
            for queue in source.texts() {
                if !self.depth(queue).await.is_ok_and(|depth| depth.total() == 0) {
                    return false;
                }
            }
            true
        }
        .boxed()
    }

    fn health(&self, dead_letters: Vec<LetterHealth>) -> BoxFuture<'_, BrokerHealth> {
        async move {
            let mut health = SqsHealth { connected: true, queues: Vec::new(), dead_letters, error: None };
            for queue in super::queues_of(&self.plan.routes) {
                let one = self.queue_health(queue).await;
                if let Some(error) = &one.error {
                    health.connected = false;
                    health.error.get_or_insert(error.clone());
                }
                health.queues.push(one);
            }
            BrokerHealth::of(health.connected, health.connected, &health)
        }
        .boxed()
    }
}

/// Returns the queue that a route reads.
fn queue_of(route: &RouteConfig) -> Option<&str> {
    route.source.named().next().filter(|_| route.source.broker == super::NAME)
}

/// Returns whether a queue is given by name. A queue that is given by URL cannot be created.
fn is_name(queue: &str) -> bool {
    !queue.contains("://")
}

/// Returns the default dead-letter queue of a route without a configured one.
fn default_letters(route: &RouteConfig, source: Option<&Queue>) -> Option<Arc<str>> {
    match route.route(source.and_then(redrive::of)).dead_letter {
        DeadLetterRule::To(to) if to.broker == super::NAME && route.dead_letter.is_none() => Some(to.name),
        _ => None,
    }
}
