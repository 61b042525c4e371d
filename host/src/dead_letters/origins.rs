//! The allowed origins of dead letters.
//!
//! A dead letter names its origin, and a replay writes there. Any writer of the dead-letter topic or queue can name any
//! origin. So an origin that no route of the configuration reads is refused, unless the user allows it.

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

/// Sources that match a pattern instead of a name.
#[derive(Clone)]
pub struct Pattern(Arc<dyn Fn(&Destination) -> bool + Send + Sync>);

impl Pattern {
    /// Makes a pattern from a predicate.
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
    /// Allows every origin.
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Allows a topic or queue, by its name in dead letters.
    pub fn add(&mut self, source: Destination) {
        self.sources.insert(source);
    }

    /// Allows all sources that match a pattern.
    pub fn add_pattern(&mut self, pattern: Pattern) {
        self.patterns.push(pattern);
    }

    /// Whether a route reads this topic or queue.
    pub(crate) fn know(&self, destination: &Destination) -> bool {
        self.any || self.sources.contains(destination) || self.patterns.iter().any(|pattern| (pattern.0)(destination))
    }
}
