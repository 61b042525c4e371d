//! Where a new owner goes on, and what it believes of the metadata that it finds.

use std::fmt;

use super::{Identity, Progress, Unreadable, Written};

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// The next offset to read; `None`: the route's start rule decides.
    pub from: Option<i64>,
    /// What is known of the offsets from there on.
    pub progress: Progress,
    /// Why the metadata was not believed, where it was not.
    pub ignored: Option<Ignored>,
    /// The commit was made for a topic of this name that was deleted since. Its offset says nothing of this topic.
    pub is_recreated: bool,
}

/// Why metadata is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Of another program or another version.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Written for something else.
    #[error("written for another {0}")]
    Differs(Differs),
}

/// What metadata was written for, where that is not what it was found with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Differs {
    /// Another cluster.
    pub cluster: bool,
    /// A topic with another id.
    pub topic: bool,
    /// A topic of another name, or another partition.
    pub partition: bool,
    /// The offset that it was written for, and the one that was committed.
    pub offset: Option<(i64, Option<i64>)>,
}

/// Reads what the group has committed of a partition of this identity.
///
/// Metadata counts only for the cluster, topic, partition and offset that it was written for. What is unknown differs from
/// nothing. A committed offset counts without its metadata: whoever has moved it means it. It does not where the host itself has
/// written it for a topic that was deleted and created again under the same name.
pub fn resume(committed: Option<i64>, metadata: Option<&str>, identity: Identity) -> Resumption {
    let plain = Resumption { from: committed, progress: Progress::default(), ignored: None, is_recreated: false };
    let written = match Written::decode(metadata.unwrap_or_default()) {
        Ok(None) => return plain,
        Ok(Some(written)) => written,
        Err(unreadable) => return Resumption { ignored: Some(unreadable.into()), ..plain },
    };
    let (cluster, topic, partition) = written.identity.differs(identity);
    let offset = (Some(written.base) != committed).then_some((written.base, committed));
    let differs = Differs { cluster, topic, partition, offset };
    if differs == Differs::default() {
        return Resumption { progress: written.progress, ..plain };
    }
    let is_recreated = differs == Differs { topic: true, ..Differs::default() };
    let from = committed.filter(|_| !is_recreated);
    Resumption { from, ignored: Some(Ignored::Differs(differs)), is_recreated, ..plain }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.cluster, "cluster"), (self.topic, "topic id"), (self.partition, "partition")];
        let named = named.into_iter().filter_map(|(differs, name)| differs.then_some(name));
        let named: Vec<&str> = named.chain(self.offset.map(|_| "offset")).collect();
        f.write_str(&named.join(" and another "))?;
        match self.offset {
            Some((written, Some(committed))) => write!(f, " (offset {written}; committed is {committed})"),
            Some((written, None)) => write!(f, " (offset {written}; none is committed)"),
            None => Ok(()),
        }
    }
}
