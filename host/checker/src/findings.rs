//! What a checker has found.

use serde::{Deserialize, Serialize};

/// Cases of a rule that are remembered in words.
const REMEMBERED: usize = 5;

/// What readers may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Every message is read as its outputs, or as a dead letter with an error event.
    Missing,
    /// Nothing is read that no message leads to.
    Unknown,
    /// What is read of a lane for the first time is in its order.
    Order,
    /// Nothing is read twice; exactly once.
    Once,
    /// A message has outputs or a dead letter; exactly once.
    OneEnd,
}

impl Rule {
    const ALL: [Self; 5] = [Self::Missing, Self::Unknown, Self::Order, Self::Once, Self::OneEnd];

    /// What is expected, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "readers find the outputs or the dead letter of every message",
            Self::Unknown => "readers find only results of the messages that were sent",
            Self::Order => "readers find outputs and dead letters of a key in order",
            Self::Once => "readers find nothing twice",
            Self::OneEnd => "readers find outputs or a dead letter of a message, never both",
        }
    }
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub rule: Rule,
    /// How often it was looked at.
    pub checked: u64,
    /// How often it was broken.
    pub broken: u64,
    /// The first times, in words.
    pub shown: Vec<String>,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Outputs, dead letters and error events that were read.
    pub read: u64,
    /// Of them those that were read before.
    pub again: u64,
    /// Messages with outputs and a dead letter.
    pub two_ends: u64,
}

/// What came of all rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    rules: Vec<Finding>,
    /// What was counted.
    pub figures: Figures,
}

impl Default for Findings {
    fn default() -> Self {
        let rules = Rule::ALL.map(|rule| Finding { rule, checked: 0, broken: 0, shown: Vec::new() });
        Self { rules: rules.into(), figures: Figures::default() }
    }
}

impl Findings {
    /// Each rule; those that the delivery does not have were never looked at.
    #[must_use]
    pub fn rules(&self) -> &[Finding] {
        &self.rules
    }

    /// What came of a rule.
    #[must_use]
    pub fn of(&self, rule: Rule) -> &Finding {
        &self.rules[rule as usize]
    }

    /// Whether readers find everything as they may expect it.
    #[must_use]
    pub fn are_well(&self) -> bool {
        self.rules.iter().all(|finding| finding.broken == 0)
    }

    pub(crate) fn looked(&mut self, rule: Rule) {
        self.rules[rule as usize].checked += 1;
    }

    pub(crate) fn broken(&mut self, rule: Rule, words: impl FnOnce() -> String) {
        let finding = &mut self.rules[rule as usize];
        finding.broken += 1;
        if finding.shown.len() < REMEMBERED {
            finding.shown.push(words());
        }
    }
}
