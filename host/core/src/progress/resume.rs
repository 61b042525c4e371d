//! The offset at which a new owner of a partition resumes, and the checks of commit metadata.

use std::fmt;

use super::{Identity, Progress, Unreadable, Written};

/// The state from which a partition resumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// The next offset to read; `None`: the route's start rule decides.
    pub from: Option<i64>,
    /// The progress from that offset on.
    pub progress: Progress,
    /// The reason why the metadata was ignored, if it was.
    pub ignored: Option<Ignored>,
    /// The commit belongs to a deleted topic of the same name. Its offset does not apply to this topic.
    pub is_recreated: bool,
}

/// The reason why metadata is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Written by another program or version.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Written for something else.
    #[error("written for another {0}")]
    Differs(Differs),
}

/// The mismatches between the metadata's identity and the partition's.
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

/// Evaluates the committed state of a partition with this identity.
///
/// Metadata counts only for the cluster, topic, partition and offset that it was written for. Unknown
/// parts match everything. A committed offset counts without its metadata, because another tool moved it on purpose. It
/// does not count if the host wrote it for a deleted topic of the same name.
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
