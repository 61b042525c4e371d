//! Where letters may say that they came from.
//!
//! A letter names its origin, and a replay writes there. Whoever may write to the dead-letter topic or queue can make it
//! name any place, so a place that no route of the configuration reads is not believed unless somebody says so.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cofferdam_core::output::Destination;

/// The sources of the configured routes.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    sources: BTreeSet<Destination>,
    patterns: Vec<Pattern>,
    any: bool,
}

/// Sources that are not named each for itself.
#[derive(Clone)]
pub struct Pattern(Arc<dyn Fn(&Destination) -> bool + Send + Sync>);

impl Pattern {
    /// Those that `takes` says.
    pub fn new(takes: impl Fn(&Destination) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(takes))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern")
    }
}

impl Origins {
    /// Every place is believed.
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Adds a topic or a queue, by the name that letters have for it.
    pub fn add(&mut self, source: Destination) {
        self.sources.insert(source);
    }

    /// Adds all that a pattern takes.
    pub fn add_pattern(&mut self, pattern: Pattern) {
        self.patterns.push(pattern);
    }

    /// Whether a route reads this.
    pub(crate) fn know(&self, destination: &Destination) -> bool {
        self.any || self.sources.contains(destination) || self.patterns.iter().any(|pattern| (pattern.0)(destination))
    }
}
