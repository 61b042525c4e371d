//! The kinds of faults.

use serde::{Deserialize, Serialize};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// SIGKILL, and a new process in its place.
    Kill,
    /// SIGTERM, and a new process in its place when it has ended.
    Restart,
    /// SIGSTOP until the group has given its partitions to others, then SIGCONT.
    PausePastSession,
    /// SIGSTOP until its leases on a queue have run out, then SIGCONT.
    PausePastLease,
    /// SIGSTOP for longer than a session, a transaction and the time between two polls may last, then SIGCONT.
    PausePastTimeouts,
    /// Another host joins.
    Join,
    /// A host leaves and none comes in its place.
    Leave,
    /// The connections of a host are reset, and new ones for a second.
    Cut,
    /// Bytes take longer, each way.
    Delay,
    /// Answers come through, requests do not until the fault ends.
    HoldRequests,
    /// Requests reach the brokers, answers do not come through until the fault ends.
    HoldAnswers,
    /// The brokers do what was asked, and the connection ends where the answer begins.
    LoseAnswers,
    /// Nothing passes until the group has given the partitions to others.
    Isolate,
    /// Nothing passes for longer than a session, a transaction and the time between two polls may last.
    IsolatePastTimeouts,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Kill,
        Self::Restart,
        Self::PausePastSession,
        Self::PausePastLease,
        Self::PausePastTimeouts,
        Self::Join,
        Self::Leave,
        Self::Cut,
        Self::Delay,
        Self::HoldRequests,
        Self::HoldAnswers,
        Self::LoseAnswers,
        Self::Isolate,
        Self::IsolatePastTimeouts,
    ];

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Restart => "restart",
            Self::PausePastSession => "pause past the session",
            Self::PausePastLease => "pause past the lease",
            Self::PausePastTimeouts => "pause past every timeout",
            Self::Join => "host joins",
            Self::Leave => "host leaves",
            Self::Cut => "connections reset",
            Self::Delay => "network delay",
            Self::HoldRequests => "requests held",
            Self::HoldAnswers => "answers held",
            Self::LoseAnswers => "answers lost",
            Self::Isolate => "isolation past the session",
            Self::IsolatePastTimeouts => "isolation past every timeout",
        }
    }

    /// The word for it in arguments and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::PausePastSession => "pause_past_session",
            Self::PausePastLease => "pause_past_lease",
            Self::PausePastTimeouts => "pause_past_timeouts",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Cut => "cut",
            Self::Delay => "delay",
            Self::HoldRequests => "hold_requests",
            Self::HoldAnswers => "hold_answers",
            Self::LoseAnswers => "lose_answers",
            Self::Isolate => "isolate",
            Self::IsolatePastTimeouts => "isolate_past_timeouts",
        }
    }

    /// How often of 100 times it strikes, where all may. A fault past the session costs the session, most others a
    /// rebalance.
    pub(super) fn share(self) -> u32 {
        match self {
            Self::Kill => 20,
            Self::Restart => 14,
            Self::PausePastSession => 3,
            Self::PausePastLease | Self::HoldRequests | Self::HoldAnswers | Self::Isolate => 5,
            Self::Join | Self::Leave => 6,
            Self::Cut => 9,
            Self::Delay => 6,
            Self::LoseAnswers => 13,
            Self::PausePastTimeouts => 2,
            Self::IsolatePastTimeouts => 1,
        }
    }

    /// Whether it needs a proxy between a host and its brokers.
    pub(super) fn is_of_the_network(self) -> bool {
        matches!(
            self,
            Self::Cut
                | Self::Delay
                | Self::HoldRequests
                | Self::HoldAnswers
                | Self::LoseAnswers
                | Self::Isolate
                | Self::IsolatePastTimeouts
        )
    }

    /// Whether it lasts longer than every timeout of the clients.
    pub(super) fn outlasts_timeouts(self) -> bool {
        matches!(self, Self::PausePastTimeouts | Self::IsolatePastTimeouts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_percentages_and_words_are_those_of_the_report() {
        assert_eq!(Fault::ALL.iter().map(|fault| fault.share()).sum::<u32>(), 100);
        for fault in Fault::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.word());
        }
    }
}
