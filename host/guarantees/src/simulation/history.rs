//! What has happened so far, judged as it grows.

use cofferdam_core::time::Time;

use crate::{Fact, Judge, Limit, Promise, Terms, What};

/// All facts in order, and what the judge makes of them.
#[derive(Debug)]
pub struct History {
    facts: Vec<Fact>,
    judge: Judge,
}

impl History {
    pub(super) fn new(terms: Terms) -> Self {
        Self { facts: Vec::new(), judge: Judge::new(terms) }
    }

    /// Records have to come to their end within this limit.
    pub(super) fn expect_ends(&mut self, limit: Limit) {
        self.judge.limit(limit);
    }

    pub(super) fn add(&mut self, at: Time, host: u32, what: What) {
        let fact = Fact { at, host, what };
        self.judge.take(&fact);
        self.facts.push(fact);
    }

    /// The world itself has seen a promise broken.
    pub(super) fn object(&mut self, promise: Promise, text: String) {
        self.judge.object(promise, text);
    }

    /// All facts, in order.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Who judges them.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    pub(super) fn into_parts(self) -> (Vec<Fact>, Judge) {
        (self.facts, self.judge)
    }
}
