//! Checks that related properties fit together.
//!
//! A property without a user value follows a related property that the user has set: a shorter session timeout also
//! shortens the heartbeat interval. Two user values that contradict each other are refused with both numbers, before
//! any client is created.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::first_name;

/// Two user values that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    one: (&'static str, i64),
    other: (&'static str, i64),
    expected: String,
}

/// The default of each property, from librdkafka or from the host.
const DEFAULTS: &[(&str, i64)] = &[
    ("session.timeout.ms", 45_000),
    ("heartbeat.interval.ms", 15_000),
    ("max.poll.interval.ms", 1_800_000),
    ("message.max.bytes", 1_000_000),
    ("fetch.max.bytes", 52_428_800),
    ("receive.message.max.bytes", 100_000_000),
    ("queue.buffering.max.kbytes", 131_072),
    ("linger.ms", 5),
    ("request.timeout.ms", 30_000),
    ("delivery.timeout.ms", 300_000),
    ("transaction.timeout.ms", 10_000),
    ("socket.timeout.ms", 60_000),
    ("reconnect.backoff.ms", 100),
    ("reconnect.backoff.max.ms", 10_000),
    ("retry.backoff.ms", 100),
    ("retry.backoff.max.ms", 1_000),
];

/// The user's properties, read as numbers.
struct Given<'a>(&'a BTreeMap<String, String>);

impl Given<'_> {
    /// Returns the user's value of a property, under its name or an alias. Values that are not numbers are refused
    /// elsewhere.
    fn set(&self, name: &str) -> Option<i64> {
        let mut named = self.0.iter().filter(|(given, _)| first_name(given) == name);
        // Only `linger.ms` allows fractions, and a fraction makes no difference here.
        named.next_back().and_then(|(_, value)| value.trim().parse::<f64>().ok()).map(|value| value.ceil() as i64)
    }

    fn of(&self, name: &str) -> i64 {
        let default = DEFAULTS.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value);
        self.set(name).unwrap_or(default)
    }
}

/// Returns values for properties that follow a property of the user.
pub(crate) fn followers(given: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let given = Given(given);
    let mut followers = Vec::new();
    let mut follow = |name: &'static str, value: i64| {
        if given.set(name).is_none() && value != given.of(name) {
            followers.push((name, value.to_string()));
        }
    };
    let session = given.of("session.timeout.ms");
    follow("heartbeat.interval.ms", (session / 3).max(1));
    follow("max.poll.interval.ms", given.of("max.poll.interval.ms").max(session));
    if let delivery @ 1.. = given.of("delivery.timeout.ms") {
        follow("request.timeout.ms", given.of("request.timeout.ms").min(delivery));
        follow("linger.ms", given.of("linger.ms").min(delivery - 1));
    }
    let largest = given.of("message.max.bytes");
    follow("queue.buffering.max.kbytes", given.of("queue.buffering.max.kbytes").max(largest / 1_024 + 1));
    follow("reconnect.backoff.max.ms", given.of("reconnect.backoff.max.ms").max(given.of("reconnect.backoff.ms")));
    follow("retry.backoff.max.ms", given.of("retry.backoff.max.ms").max(given.of("retry.backoff.ms")));
    followers
}

/// As [`followers`], for transactions: no timeout may exceed the transaction timeout.
pub(crate) fn within_transaction(given: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let given = Given(given);
    let limit = given.of("transaction.timeout.ms");
    let delivery = given.of("delivery.timeout.ms");
    let delivery = if delivery == 0 { limit } else { delivery.min(limit) };
    let mut followers = vec![("delivery.timeout.ms", delivery)];
    for (name, most) in [("request.timeout.ms", delivery), ("linger.ms", delivery - 1)] {
        followers.extend((given.of(name) > most).then_some((name, most)));
    }
    // If the user does not set it, librdkafka lowers it by itself.
    followers.extend(given.set("socket.timeout.ms").filter(|set| *set > limit).map(|_| ("socket.timeout.ms", limit)));
    followers.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

/// Returns contradictions between properties. With `transactions`, also those that matter only for a transactional
/// producer.
pub(crate) fn conflicts(given: &BTreeMap<String, String>, transactions: bool) -> Vec<Conflict> {
    let given = Given(given);
    let mut conflicts = Vec::new();
    // A contradiction needs two user values, or one user value and a default that does not follow it.
    let mut expect = |one: &'static str, other: &'static str, fits: bool, expected: String| {
        if !fits && (given.set(one).is_some() || given.set(other).is_some()) {
            conflicts.push(Conflict { one: (one, given.of(one)), other: (other, given.of(other)), expected });
        }
    };
    let follows = |name: &str| given.set(name).is_none();
    let at_most = |one: &str, other: &str| given.of(one) <= given.of(other);
    let most = |other: &str| format!("at most {}", given.of(other));

    let beats = given.of("heartbeat.interval.ms").saturating_mul(2) <= given.of("session.timeout.ms");
    let expected = format!("at most {}, half of it", given.of("session.timeout.ms") / 2);
    expect("heartbeat.interval.ms", "session.timeout.ms", beats || follows("heartbeat.interval.ms"), expected);
    let fits = at_most("session.timeout.ms", "max.poll.interval.ms") || follows("max.poll.interval.ms");
    expect("session.timeout.ms", "max.poll.interval.ms", fits, most("max.poll.interval.ms"));

    let fits = given.set("fetch.max.bytes").is_none() || at_most("message.max.bytes", "fetch.max.bytes");
    let least = format!("at least {}", given.of("message.max.bytes"));
    expect("fetch.max.bytes", "message.max.bytes", fits, least);
    let fetched = given.of("fetch.max.bytes").saturating_add(512);
    let fits = follows("receive.message.max.bytes") || fetched <= given.of("receive.message.max.bytes");
    expect("receive.message.max.bytes", "fetch.max.bytes", fits, format!("at least {fetched}"));
    let queue = given.of("queue.buffering.max.kbytes").saturating_mul(1_024);
    let fits = follows("queue.buffering.max.kbytes") || queue >= given.of("message.max.bytes");
    let least = format!("at least {}", (given.of("message.max.bytes") + 1_023) / 1_024);
    expect("queue.buffering.max.kbytes", "message.max.bytes", fits, least);

    // 0 means no limit.
    let endless = given.of("delivery.timeout.ms") == 0;
    let fits = endless || follows("request.timeout.ms") || at_most("request.timeout.ms", "delivery.timeout.ms");
    expect("request.timeout.ms", "delivery.timeout.ms", fits, most("delivery.timeout.ms"));
    let less = given.of("linger.ms") < given.of("delivery.timeout.ms");
    expect(
        "linger.ms",
        "delivery.timeout.ms",
        endless || follows("linger.ms") || less,
        format!("less than {}", given.of("delivery.timeout.ms")),
    );

    for (one, other) in
        [("reconnect.backoff.ms", "reconnect.backoff.max.ms"), ("retry.backoff.ms", "retry.backoff.max.ms")]
    {
        expect(one, other, follows(other) || at_most(one, other), most(other));
    }
    if transactions {
        for one in ["delivery.timeout.ms", "socket.timeout.ms"] {
            let other = "transaction.timeout.ms";
            let endless = one == "delivery.timeout.ms" && endless;
            let fits = follows(one) || follows(other) || (at_most(one, other) && !endless);
            expect(one, other, fits, most(other));
        }
    }
    conflicts
}

/// Returns `max.poll.interval.ms`, the longest time between two polls, in milliseconds.
pub(crate) fn poll_interval(given: &BTreeMap<String, String>) -> i64 {
    let given = Given(given);
    let value = given.of("max.poll.interval.ms");
    if given.set("max.poll.interval.ms").is_some() { value } else { value.max(given.of("session.timeout.ms")) }
}

/// Returns how long a client may be silent before its session, its group membership and its transaction time out.
pub(crate) fn longest_silences(given: &BTreeMap<String, String>) -> [Duration; 3] {
    let session = Given(given).of("session.timeout.ms");
    [session, poll_interval(given), transaction_timeout(given)]
        .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// Returns how long the producer delays a record to send it with others.
pub(crate) fn linger(given: &BTreeMap<String, String>) -> Duration {
    Duration::from_millis(u64::try_from(Given(given).of("linger.ms")).unwrap_or(0))
}

/// Returns how long a transaction may stay open, in milliseconds.
pub(crate) fn transaction_timeout(given: &BTreeMap<String, String>) -> i64 {
    Given(given).of("transaction.timeout.ms")
}

/// For example: `kafka.properties: heartbeat.interval.ms = 15000 does not fit session.timeout.ms = 10000`
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((one, value), (other, limit)) = (self.one, self.other);
        write!(f, "{one} = {value} does not fit {other} = {limit}; expected {}", self.expected)
    }
}

impl Conflict {
    /// Returns the remedy.
    pub(crate) fn remedy(&self) -> String {
        format!("change one of them, or omit {}", self.one.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_nobody_has_set_follows_what_was_set() {
        for (set, follows) in [
            (("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "3333")),
            (("session.timeout.ms", "1900000"), ("max.poll.interval.ms", "1900000")),
            (("message.timeout.ms", "8000"), ("request.timeout.ms", "8000")),
            (("delivery.timeout.ms", "3"), ("linger.ms", "2")),
            (("message.max.bytes", "200000000"), ("queue.buffering.max.kbytes", "195313")),
            (("reconnect.backoff.ms", "20000"), ("reconnect.backoff.max.ms", "20000")),
            (("retry.backoff.ms", "5000"), ("retry.backoff.max.ms", "5000")),
        ] {
            let found = followers(&given(&[set]));
            assert!(found.contains(&(follows.0, follows.1.to_owned())), "{set:?}: {found:?}");
            assert_eq!(conflicts(&given(&[set]), true), [], "{set:?}");
        }
        assert_eq!(followers(&given(&[])), []);
        let set = given(&[("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "2000")]);
        assert_eq!(followers(&set), [], "what was set stays");
        let clamped = within_transaction(&given(&[("message.timeout.ms", "60000"), ("socket.timeout.ms", "60000")]));
        let all = [("delivery.timeout.ms", "10000"), ("request.timeout.ms", "10000"), ("socket.timeout.ms", "10000")];
        assert_eq!(clamped, all.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn settings_that_contradict_each_other_are_told_with_both_numbers() {
        for (pairs, told) in [
            (
                &[("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "6000")][..],
                "heartbeat.interval.ms = 6000 does not fit session.timeout.ms = 10000; expected at most 5000, half of it",
            ),
            (
                &[("heartbeat.interval.ms", "45000")],
                "heartbeat.interval.ms = 45000 does not fit session.timeout.ms = 45000; expected at most 22500, half of it",
            ),
            (
                &[("max.poll.interval.ms", "30000")],
                "session.timeout.ms = 45000 does not fit max.poll.interval.ms = 30000; expected at most 30000",
            ),
            (
                &[("fetch.max.bytes", "1000")],
                "fetch.max.bytes = 1000 does not fit message.max.bytes = 1000000; expected at least 1000000",
            ),
            (
                &[("receive.message.max.bytes", "1000000")],
                "receive.message.max.bytes = 1000000 does not fit fetch.max.bytes = 52428800; expected at least 52429312",
            ),
            (
                &[("queue.buffering.max.kbytes", "100")],
                "queue.buffering.max.kbytes = 100 does not fit message.max.bytes = 1000000; expected at least 977",
            ),
            (
                &[("message.timeout.ms", "1000"), ("request.timeout.ms", "2000")],
                "request.timeout.ms = 2000 does not fit delivery.timeout.ms = 1000; expected at most 1000",
            ),
            (
                &[("message.timeout.ms", "1000"), ("queue.buffering.max.ms", "1000")],
                "linger.ms = 1000 does not fit delivery.timeout.ms = 1000; expected less than 1000",
            ),
            (
                &[("reconnect.backoff.max.ms", "50")],
                "reconnect.backoff.ms = 100 does not fit reconnect.backoff.max.ms = 50; expected at most 50",
            ),
            (
                &[("transaction.timeout.ms", "5000"), ("delivery.timeout.ms", "6000")],
                "delivery.timeout.ms = 6000 does not fit transaction.timeout.ms = 5000; expected at most 5000",
            ),
        ] {
            let found: Vec<String> = conflicts(&given(pairs), true).iter().map(ToString::to_string).collect();
            assert_eq!(found, [told], "{pairs:?}");
        }
        let apart = given(&[("transaction.timeout.ms", "5000"), ("delivery.timeout.ms", "6000")]);
        assert_eq!(conflicts(&apart, false), [], "no transaction, no contradiction");
    }
}
