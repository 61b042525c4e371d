//! Changes of the configuration that need a restart.

use std::collections::BTreeSet;

use crate::config::Config;

/// The changed sections, plugins and routes that take effect at the next start.
pub(super) fn needed(old: &Config, new: &Config) -> Vec<String> {
    let others = [
        ("service", old.service == new.service),
        ("admin", old.admin == new.admin),
        ("alerts", old.alerts == new.alerts),
        ("storage", old.storage == new.storage),
        ("keyvalue", old.keyvalue == new.keyvalue),
        ("dedupe", old.dedupe == new.dedupe),
        ("sandbox", old.sandbox == new.sandbox),
    ];
    let (first, rest) = others.split_at(1);
    let sections = first.iter().copied().chain(old.same_brokers(new)).chain(rest.iter().copied());
    let sections = sections.filter(|(_, same)| !same).map(|(name, _)| format!("[{name}]"));

    let come_or_gone = |name: &&String| old.plugins.contains_key(*name) != new.plugins.contains_key(*name);
    let plugins = old.plugins.keys().chain(new.plugins.keys()).filter(come_or_gone);
    let plugins = plugins.map(|name| format!("[plugins.{name}] (added or removed)"));
    let first_store = old.plugins.values().all(|plugin| plugin.capabilities.keyvalue.is_none())
        && new.plugins.values().any(|plugin| plugin.capabilities.keyvalue.is_some());
    let store = first_store.then(|| "the first grant of a key-value bucket".to_owned());

    let names: BTreeSet<&str> = old.routes.iter().chain(&new.routes).map(|route| route.name()).collect();
    let same = |name: &str| {
        let find = |config: &Config| config.routes.iter().find(|route| route.name() == name).cloned();
        find(old) == find(new)
    };
    let routes = names.into_iter().filter(|name| !same(name)).map(|name| format!("route `{name}`"));
    sections.chain(plugins).chain(store).chain(routes).collect()
}
