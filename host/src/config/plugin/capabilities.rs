//! `capabilities`: grants beyond WASI, configuration and logging.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::read::{Table, Value, identifier};
use crate::plugin::Denied;
use crate::plugin::http::{BreakerConfig, Config as Http, Reach, Rule};

/// The capabilities of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The bucket of the key-value store that the plugin may use; `None`: no access.
    pub keyvalue: Option<String>,
    /// Quota of the bucket on disk or in memory in bytes; `None`: the quota of all buckets applies.
    pub keyvalue_max_bytes: Option<u64>,
    /// The hosts that the plugin may send requests to; `None`: no access. With an empty list the plugin is loaded, and all
    /// requests are denied.
    pub http: Option<Http>,
    /// What happens to an attempt that uses a capability that was not granted.
    pub denied: Denied,
}

const EXAMPLE: &str = "{ http = [\"api.example.com\"], keyvalue = \"orders\" }";
const HOSTS: &str = "[\"api.example.com\", { host = \"http://10.0.0.7:8080\", methods = [\"GET\"] }]";

pub(super) fn capabilities(granted: &Value<'_>) -> Capabilities {
    let read = |table: &Table<'_>| Capabilities {
        keyvalue: table.get("keyvalue").and_then(|name| name.name("orders", identifier)),
        keyvalue_max_bytes: table.get("keyvalue_max_bytes").and_then(|size| size.size(1 << 10..=1 << 40)),
        http: table.get("http").and_then(|granted| http(&granted)),
        denied: table
            .get("denied")
            .and_then(|word| word.choice(&[("error", Denied::Error), ("fail", Denied::Fail)]))
            .unwrap_or_default(),
    };
    granted.table(EXAMPLE, read).unwrap_or_default()
}

/// A list of hosts, or a table with that list and bounds.
fn http(granted: &Value<'_>) -> Option<Http> {
    if !granted.is_table() {
        return Some(Http { allow: rules(granted), ..Http::default() });
    }
    granted.table("{ allow = [\"api.example.com\"], timeout = \"10s\" }", |table| {
        let defaults = Http::default();
        let time = |key, default, most| {
            let range = Duration::from_millis(1)..=Duration::from_secs(most);
            table.get(key).and_then(|value| value.duration(range)).unwrap_or(default)
        };
        let size = |key, default| table.get(key).and_then(|value| value.size(0..=1 << 30)).unwrap_or(default);
        let allow = table.require("allow", format!("write for example allow = {HOSTS}"));
        Http {
            allow: allow.map(|allow| rules(&allow)).unwrap_or_default(),
            connect_timeout: time("connect_timeout", defaults.connect_timeout, 300),
            first_byte_timeout: time("first_byte_timeout", defaults.first_byte_timeout, 3_600),
            timeout: time("timeout", defaults.timeout, 3_600),
            request_bytes: size("request_bytes", defaults.request_bytes),
            response_bytes: size("response_bytes", defaults.response_bytes),
            at_once: table.get("at_once").and_then(|value| value.integer(1..=1_000)).unwrap_or(defaults.at_once),
            breaker: table.get("breaker").map_or(defaults.breaker, |breaker| self::breaker(&breaker)),
        }
    })
}

fn breaker(value: &Value<'_>) -> BreakerConfig {
    let defaults = BreakerConfig::default();
    let read = |table: &Table<'_>| {
        let range = Duration::from_millis(10)..=Duration::from_secs(3_600);
        BreakerConfig {
            failures: table.get("failures").and_then(|value| value.integer(0..=1_000_000)).unwrap_or(defaults.failures),
            probe_after: table
                .get("probe_after")
                .and_then(|value| value.duration(range))
                .unwrap_or(defaults.probe_after),
        }
    };
    value.table("{ failures = 10, probe_after = \"60s\" }", read).unwrap_or(defaults)
}

fn rules(list: &Value<'_>) -> Vec<Rule> {
    list.list(HOSTS).unwrap_or_default().iter().filter_map(rule).collect()
}

fn rule(entry: &Value<'_>) -> Option<Rule> {
    if entry.is_string() {
        return host(entry);
    }
    entry.table("{ host = \"api.example.com\", methods = [\"GET\"] }", |table| {
        let host = table.require("host", "write for example host = \"api.example.com\"").and_then(|value| host(&value));
        let methods = table.get("methods").map(|methods| (texts(&methods, "GET"), methods));
        let private = table.get("private").and_then(|value| value.flag()).unwrap_or(false);
        let ranges = table.get("addresses").map(|addresses| ranges(&addresses)).unwrap_or_default();
        let rule = host?.with_reach(Reach { private, ranges });
        match methods {
            None => Some(rule),
            Some((words, value)) => match rule.with_methods(&words) {
                Ok(rule) => Some(rule),
                Err(remedy) => {
                    value.problem("invalid methods", remedy);
                    None
                }
            },
        }
    })?
}

fn host(value: &Value<'_>) -> Option<Rule> {
    let text = value.text("api.example.com")?;
    match Rule::new(&text) {
        Ok(rule) => Some(rule),
        Err(remedy) => {
            // The invalid value may contain a password, so it is not shown.
            value.problem("invalid host", remedy);
            None
        }
    }
}

fn texts(list: &Value<'_>, example: &str) -> Vec<String> {
    let list = list.list(&format!("[{example:?}]")).unwrap_or_default();
    list.iter().filter_map(|value| value.text(example)).collect()
}

fn ranges(list: &Value<'_>) -> Vec<IpNet> {
    let list = list.list("[\"10.20.0.0/16\"]").unwrap_or_default();
    let range = |value: &Value<'_>| {
        let text = value.text("10.20.0.0/16")?;
        let range = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        if range.is_none() {
            let remedy = "write for example \"10.20.0.0/16\", \"127.0.0.1\" or \"fd00:1::/64\"";
            value.problem(format!("invalid address range {text:?}"), remedy);
        }
        range
    };
    list.iter().filter_map(range).collect()
}
