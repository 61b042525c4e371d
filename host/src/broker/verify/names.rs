//! The names of the topics and queues of a run.

/// The use of a topic or queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The source of the hosts.
    In,
    /// The outputs of the hosts.
    Out,
    /// The dead letters of the hosts.
    Dead,
    /// The error events of the hosts, which need no order.
    Errors,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 4] = [Self::In, Self::Out, Self::Dead, Self::Errors];

    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Dead => "dead",
            Self::Errors => "errors",
        }
    }
}

/// The names of everything that a run creates: `cofferdam-verify-`, the id of the run, and the part.
#[derive(Debug, Clone)]
pub struct Names {
    /// The common prefix of all names, which is also the name of the consumer group.
    pub stem: String,
}

const STEM: &str = "cofferdam-verify-";

impl Names {
    /// Returns the names for the run with this id. The id may include the prefix.
    pub fn of(id: &str) -> Self {
        Self { stem: format!("{STEM}{}", id.trim_start_matches(STEM)) }
    }

    /// Returns the id of the run.
    pub fn id(&self) -> &str {
        self.stem.trim_start_matches(STEM)
    }

    /// Returns the name of a part. The broker may have to append a suffix.
    pub fn name(&self, part: Part) -> String {
        format!("{}-{}", self.stem, part.word())
    }
}
