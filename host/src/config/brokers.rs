//! Connects the configured brokers, compares them, and replaces them with embedded ones. Each list here has one line
//! for each broker.

use std::sync::Arc;

use super::Config;
use crate::broker::verify::Subject;
use crate::broker::{Broker, kafka, sqs};
use crate::exit::Problem;
use crate::plan::Plan;

impl Config {
    /// Returns whether the file has a section for the broker with this name.
    pub fn has(&self, broker: &str) -> bool {
        match broker {
            kafka::NAME => self.kafka.is_some(),
            sqs::NAME => self.sqs.is_some(),
            _ => false,
        }
    }

    /// Returns the brokers that the file has sections for, in the form that `verify` uses and in the order of
    /// [`broker::ALL`](crate::broker::ALL).
    pub fn subjects(&self) -> Vec<&dyn Subject> {
        let kafka = self.kafka.iter().map(|settings| settings as &dyn Subject);
        let sqs = self.sqs.iter().map(|settings| settings as &dyn Subject);
        kafka.chain(sqs).collect()
    }

    /// Creates the clients without contacting a broker.
    ///
    /// # Errors
    /// A client could not be created from its section.
    pub async fn connect(&self, plan: &Arc<Plan>) -> Result<Vec<Box<dyn Broker>>, Problem> {
        let mut all: Vec<Box<dyn Broker>> = Vec::new();
        if let Some(settings) = &self.kafka {
            all.push(Box::new(kafka::Connection::new(plan.clone(), settings.clone(), self.topics.clone())?));
        }
        if let Some(settings) = &self.sqs {
            all.push(Box::new(sqs::Connection::new(plan.clone(), settings).await));
        }
        Ok(all)
    }

    /// Returns the name of each broker section, and whether the section is equal in `other`.
    pub fn same_brokers(&self, other: &Self) -> [(&'static str, bool); 3] {
        [
            (kafka::NAME, self.kafka == other.kafka),
            ("topics", self.topics == other.topics),
            (sqs::NAME, self.sqs == other.sqs),
        ]
    }

    /// Starts embedded brokers and changes the sections to use them. `fed` lists destinations that receive messages
    /// from outside the routes. A broker stops when it is dropped.
    ///
    /// # Errors
    /// A broker could not be started.
    #[cfg(feature = "embedded")]
    pub async fn embed(
        &mut self,
        fed: &[cofferdam_core::output::Destination],
    ) -> Result<Vec<crate::broker::Embedded>, Problem> {
        let (service, routes) = (&self.service.name, &self.routes);
        Ok(vec![
            kafka::embedded::stand_in(routes, fed, self.kafka.as_mut(), &mut self.topics)?,
            sqs::embedded::stand_in(service, routes, self.sqs.as_mut()).await?,
        ])
    }
}
