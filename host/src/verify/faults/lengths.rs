//! How long faults last that have to outlast something.

use std::time::Duration;

use crate::broker::verify::{LEASE, Silences};
use crate::config::Config;

/// How long faults last that have to outlast something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) struct Lengths {
    /// Longer than the session timeout.
    pub(super) past_session: Duration,
    /// Longer than every timeout of the clients.
    pub(super) past_timeouts: Duration,
    /// The place in the configuration that sets the longest of them.
    pub(in crate::verify) place: &'static str,
}

impl Lengths {
    /// By the timeouts of the hosts.
    pub(in crate::verify) fn of(config: &Config) -> Self {
        let silences: Vec<Silences> = config.subjects().into_iter().map(|subject| subject.silences()).collect();
        let session = silences.iter().map(|it| it.session).max().unwrap_or_default();
        let longest = silences.into_iter().max_by_key(|it| it.longest).unwrap_or_default();
        Self {
            past_session: (session * 5 / 4).max(PAST_LEASE),
            past_timeouts: longest.longest + MORE,
            place: longest.place,
        }
    }

    /// Whether a run can wait for the longest faults.
    pub(in crate::verify) fn are_bearable(self) -> bool {
        self.past_timeouts < BEARABLE
    }
}

/// What a fault that outlasts every timeout has more: brokers look for transactions to abort every few seconds.
pub(super) const MORE: Duration = Duration::from_secs(4);

/// No fault lasts longer.
const BEARABLE: Duration = Duration::from_secs(60);

/// Longer than a lease.
pub(super) const PAST_LEASE: Duration = Duration::from_millis(2500);
const _: () = assert!(PAST_LEASE.as_millis() > LEASE.as_millis());

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::broker::verify::Names;
    use crate::verify::{Delivery, hosts};

    fn lengths(sections: &str) -> Lengths {
        let sections = sections.parse().unwrap();
        let text = hosts::configuration(&sections, Delivery::default(), &Names::of("1a2b"), 1).to_string();
        let config = Config::parse(&text, Path::new("slot-1.toml"), &|_| None);
        Lengths::of(&config.unwrap_or_else(|errors| panic!("{errors}")))
    }

    #[test]
    fn faults_outlast_the_timeouts_of_the_broker_and_a_lease_where_there_are_none() {
        let kafka = lengths("kafka = { bootstrap_servers = \"b:1\" }");
        assert_eq!((kafka.past_session, kafka.past_timeouts), (Duration::from_millis(7_500), Duration::from_secs(14)));
        assert!(kafka.are_bearable());
        let sqs = lengths("sqs = { endpoint = \"http://s:1\" }");
        assert_eq!((sqs.past_session, sqs.past_timeouts), (PAST_LEASE, MORE));
    }

    #[test]
    fn a_timeout_that_no_run_can_wait_for_is_told_with_its_place() {
        let properties = "properties = { \"max.poll.interval.ms\" = \"300000\" }";
        let long = lengths(&format!(
            "kafka = {{ bootstrap_servers = \"b:1\", {properties} }}\nsqs = {{ endpoint = \"http://s:1\" }}"
        ));
        assert!(!long.are_bearable());
        assert_eq!(long.place, "kafka.properties");
    }
}
