//! Findings on the brokers about a configuration: `check --brokers` prints them, and the start of `run` acts on them.
//!
//! A problem prevents the start of `run`. A violated condition does not: `run` logs it, and the route holds or works with
//! restrictions; `check --brokers` fails if it is grave.

use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_core::route::DeadLetterRule;

use super::brokers::Brokers;
use super::conditions::Unfit;
use super::redrive::{self, Limits};
use crate::broker::sqs;
use crate::broker::sqs::queue::{self, Queue};
use crate::config::{Config, RouteConfig};
use crate::exit::{Exit, Problem};

/// All findings, in the order of display.
#[derive(Debug, Default)]
pub struct Findings {
    /// Problems that prevent a start.
    pub problems: Vec<Problem>,
    /// Violated conditions of routes.
    pub unfit: Vec<Unfit>,
    /// Both limits of each route whose queue has a redrive policy.
    pub limits: Vec<Limits>,
    /// Topics and queues that the start creates.
    pub creates: Vec<Arc<str>>,
}

impl Brokers {
    /// Asks all brokers for all that the configuration names, and creates nothing.
    pub async fn examine(&self, config: &Config) -> Findings {
        let mut findings = Findings::default();
        match self.missing(config).await {
            Ok(ensured) => {
                findings.creates.extend(ensured.made);
                findings.unfit.extend(ensured.unseen.into_iter().flat_map(|topic| unseen(config, &topic)));
            }
            Err(problem) => findings.problems.push(problem),
        }
        // An unreachable broker is not asked three more times.
        if findings.problems.iter().all(|problem| problem.exit != Exit::Unavailable) {
            findings.unfit.extend(self.unfit(config).await);
        }
        self.examine_queues(config, &mut findings).await;
        findings
    }

    async fn examine_queues(&self, config: &Config, findings: &mut Findings) {
        let Some(sqs) = &config.sqs else { return };
        let mut queues = BTreeMap::new();
        for name in config.sqs_queues() {
            match self.resolve(&name).await {
                Ok(queue) => drop(queues.insert(name, queue)),
                Err(queue::Error::Missing { .. }) if sqs.create && is_name(&name) => {
                    findings.creates.push(name.into());
                }
                Err(error) => findings.problems.push(self.queue_problem(&error)),
            }
        }
        for route in &config.routes {
            let Some(queue) = queue_of(route) else { continue };
            let queue = queues.get(queue);
            if let Some(name) = default_letters(route, queue) {
                match self.resolve(&name).await {
                    Err(queue::Error::Missing { .. }) if sqs.create => findings.creates.push(name),
                    Err(error) => findings.problems.push(self.queue_problem(&error)),
                    Ok(_) => {}
                }
            }
            findings.limits.extend(queue.and_then(|queue| Limits::of(&route.route(redrive::of(queue)), queue)));
        }
    }

    /// Creates the queues that are missing, where the configuration says so: first those that are written to, then sources,
    /// which move what was received too often to the dead letters of their route.
    ///
    /// # Errors
    /// When a queue cannot be asked for, or is not to be created.
    pub async fn ensure_queues(&self, config: &Config) -> Result<(), Problem> {
        if !config.sqs.as_ref().is_some_and(|sqs| sqs.create) {
            return Ok(());
        }
        let read: Vec<&str> = config.routes.iter().filter_map(queue_of).collect();
        for name in config.sqs_queues().iter().filter(|name| !read.contains(&name.as_str())) {
            self.ensure_queue(name, None).await?;
        }
        for route in &config.routes {
            let Some(source) = queue_of(route) else { continue };
            let found = self.found(source).await?;
            let letters = match route.route(found.as_ref().and_then(redrive::of)).dead_letter {
                DeadLetterRule::To(to) if to.broker == sqs::NAME => Some(self.ensure_queue(&to.name, None).await?),
                _ => None,
            };
            if found.is_none() {
                // Faults cost receives too, so there are more of them than attempts.
                let receives = 2 * route.route(None).policy.retry.max_attempts;
                let fits = letters.filter(|letters| letters.fifo == source.ends_with(".fifo"));
                let redrive = fits.and_then(|letters| letters.arn).map(|arn| (arn, receives.clamp(1, 1_000)));
                self.ensure_queue(source, redrive).await?;
            }
        }
        Ok(())
    }

    async fn ensure_queue(&self, name: &str, redrive: Option<(Arc<str>, u32)>) -> Result<Queue, Problem> {
        if let Some(queue) = self.found(name).await? {
            return Ok(queue);
        }
        let redrive = redrive.as_ref().map(|(arn, receives)| (&**arn, *receives));
        self.create_queue(name, redrive).await?;
        tracing::info!(queue = name, "created queue");
        self.queue(name).await
    }

    /// The queue of this name; `None` where it is missing and can be created.
    async fn found(&self, name: &str) -> Result<Option<Queue>, Problem> {
        match self.resolve(name).await {
            Ok(queue) => Ok(Some(queue)),
            Err(queue::Error::Missing { .. }) if is_name(name) => Ok(None),
            Err(error) => Err(self.queue_problem(&error)),
        }
    }
}

/// The queue that a route reads.
fn queue_of(route: &RouteConfig) -> Option<&str> {
    route.source.named().next().filter(|_| route.source.broker == sqs::NAME)
}

/// A queue that is given by its address cannot be created.
fn is_name(queue: &str) -> bool {
    !queue.contains("://")
}

/// The queue for dead letters of a route where nobody has named one.
fn default_letters(route: &RouteConfig, source: Option<&Queue>) -> Option<Arc<str>> {
    match route.route(source.and_then(redrive::of)).dead_letter {
        DeadLetterRule::To(to) if to.broker == sqs::NAME && route.dead_letter.is_none() => Some(to.name),
        _ => None,
    }
}

/// The topic exists, and nobody tells anything about it.
fn unseen(config: &Config, topic: &str) -> Vec<Unfit> {
    let names = |route: &&RouteConfig| super::conditions::topics(route).contains(topic);
    let unfit = |route: &RouteConfig| Unfit {
        route: route.name().into(),
        what: format!("not authorized to describe topic {topic}, which exists"),
        remedy: "grant Describe on the topic, and Read or Write".to_owned(),
        is_grave: true,
        is_right: true,
    };
    config.routes.iter().filter(names).map(unfit).collect()
}

impl Findings {
    /// Writes all of it to the log, and gives the problems.
    ///
    /// # Errors
    /// The problems, where there are any.
    pub(super) fn log(self) -> Result<(), Vec<Problem>> {
        for Unfit { route, what, remedy, is_grave, is_right } in self.unfit {
            if is_right {
                tracing::warn!(event = "not_authorized", route, remedy, "{what}");
            } else if is_grave {
                tracing::warn!(event = "topic_unfit", route, remedy, "{what}");
            } else {
                tracing::info!(event = "topic_unfit", route, remedy, "{what}");
            }
        }
        self.limits.iter().for_each(Limits::log);
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    /// What `check --brokers` fails on: all problems, and what is unfit and grave.
    pub fn failures(&mut self) -> Vec<Problem> {
        let (grave, unfit) = std::mem::take(&mut self.unfit).into_iter().partition(|unfit: &Unfit| unfit.is_grave);
        self.unfit = unfit;
        let grave: Vec<Unfit> = grave;
        let grave = grave.into_iter().map(|Unfit { route, what, remedy, .. }| {
            Problem::new(Exit::Configuration, what, remedy).at(format!("route {route}"))
        });
        std::mem::take(&mut self.problems).into_iter().chain(grave).collect()
    }
}
