//! Permissions that this host needs, as far as the broker reports them, and the assignor of its group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Facts, Found, letters_of};
use crate::broker::kafka;
use crate::broker::kafka::rights::{Group, Rights};
use crate::broker::kafka::source::ASSIGNOR;
use crate::plan::RouteConfig;

/// Adds the missing permissions of this route.
pub(super) fn missing(route: &RouteConfig, facts: &Facts, found: &mut Found<'_>) {
    if let Some(group) = &route.source.group {
        for topic in route.source.texts() {
            reading(topic, &facts.rights, found);
        }
        if let Some(known) = facts.groups.get(group.as_str()) {
            joining(group, known, found);
        }
    }
    let written = route.destinations().map(|(destination, _)| destination.clone());
    let written = written.chain(letters_of(route).into_iter().map(|(_, letters)| letters));
    let topics: BTreeSet<Arc<str>> =
        written.filter(|destination| destination.broker == kafka::NAME).map(|topic| topic.name).collect();
    for topic in topics {
        if facts.rights.get(&topic).is_some_and(|rights| !rights.write) {
            let what = format!("not authorized to write to topic {topic}");
            found.right(what, "messages for it wait and the route is on hold; grant Write and Describe on the topic");
        }
    }
}

fn reading(topic: &str, rights: &BTreeMap<Arc<str>, Rights>, found: &mut Found<'_>) {
    if rights.get(topic).is_some_and(|rights| !rights.read) {
        let what = format!("not authorized to read topic {topic}");
        found.right(what, "its records are not received; grant Read and Describe on the topic");
    }
}

fn joining(group: &str, known: &Group, found: &mut Found<'_>) {
    if known.rights.is_some_and(|rights| !rights.read) {
        let what = format!("not authorized to read group {group}");
        found.right(what, "the route cannot join the group and receives nothing; grant Read on the group");
    }
    if let Some(assignor) = known.assignor.as_deref().filter(|assignor| *assignor != ASSIGNOR) {
        let what = format!("members of group {group} use the assignor {assignor}, this host uses {ASSIGNOR}");
        found.add(
            true,
            what,
            "the route cannot join the group while they are members; stop them, or use another group",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(look: impl FnOnce(&mut Found<'_>)) -> Vec<String> {
        let mut found = Found { route: "r", unfit: Vec::new() };
        look(&mut found);
        found.unfit.into_iter().map(|unfit| unfit.what).collect()
    }

    #[test]
    fn only_a_right_that_the_broker_denies_is_missing() {
        let rights = BTreeMap::from([
            ("in".into(), Rights { read: false, write: true }),
            ("seen".into(), Rights { read: true, write: false }),
        ]);
        assert_eq!(said(|found| reading("in", &rights, found)), ["not authorized to read topic in"]);
        assert!(said(|found| reading("seen", &rights, found)).is_empty());
        assert!(said(|found| reading("not told", &rights, found)).is_empty());
        let unknown = Group { rights: None, assignor: None };
        assert!(said(|found| joining("g", &unknown, found)).is_empty());
    }

    #[test]
    fn members_with_another_assignor_are_told_with_both_names() {
        let with = |assignor: &str| Group { rights: None, assignor: Some(assignor.into()) };
        let told = said(|found| joining("g", &with("range"), found));
        assert_eq!(told, ["members of group g use the assignor range, this host uses cooperative-sticky"]);
        assert!(said(|found| joining("g", &with("cooperative-sticky"), found)).is_empty());
    }
}
