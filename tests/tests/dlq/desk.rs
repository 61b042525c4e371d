//! A folder with a configuration, and the command in it.

use std::collections::HashMap;
use std::time::Duration;

use kit::{Ended, Host, Kafka, Sqs};
use serde_json::Value;
use tempfile::TempDir;

pub const WAIT: Duration = Duration::from_secs(90);

pub struct Desk {
    folder: TempDir,
}

impl Desk {
    /// A configuration with these brokers, and `routes` below them.
    pub fn new(kafka: Option<&Kafka>, sqs: Option<&Sqs>, routes: &str) -> Desk {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let kafka = kafka.map(|kafka| format!("kafka = {{ bootstrap_servers = {:?} }}", kafka.bootstrap()));
        let sqs = sqs.map(|sqs| format!("sqs = {{ endpoint = {:?} }}", sqs.endpoint()));
        let sections = [kafka, sqs].into_iter().flatten().collect::<Vec<_>>().join("\n");
        let path = kit::guest("probe");
        let text = format!(
            "service = {{ name = \"probe\" }}\nadmin = {{ listen = \"127.0.0.1:0\" }}\n{sections}\n\
             [plugins.probe]\npath = {path:?}\n{routes}"
        );
        std::fs::write(folder.path().join("cofferdam.toml"), text).expect("a temporary file can be written");
        Desk { folder }
    }

    /// A route from a topic through the probe, whose dead letters go where `more` says.
    pub fn route(from: &str, more: &str) -> String {
        let group = kit::unique("probe");
        format!(
            "[[routes]]\nname = \"probe\"\nfrom = {from}\nhandler = \"probe\"\n{more}\n\
             [routes.retry]\ninitial_delay = \"10ms\"\n[routes.outputs]\nout = {{ kafka = \"{group}-out\" }}\n"
        )
    }

    /// Starts `cofferdam` with these arguments, here.
    pub fn start(&self, arguments: &[&str]) -> Host {
        kit::host(arguments).current_dir(self.folder.path()).start()
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait(WAIT).await
    }

    /// Runs `dlq` with these arguments and `--json`, and returns the lines; it must succeed.
    pub async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[&["dlq"], arguments, &["--json"]].concat()).await;
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {:#?}", ended.stderr);
        ended.stdout.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The positions that `dlq list` shows with these arguments, sorted.
    pub async fn positions(&self, arguments: &[&str]) -> Vec<String> {
        let letters = self.json(&[&["list"], arguments].concat()).await;
        let mut positions: Vec<String> = letters.iter().map(|letter| word(letter, "position")).collect();
        positions.sort();
        positions
    }
}

/// A text of an object.
pub fn word(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no text {name:?} in {object}")).to_owned()
}

/// How often each occurs.
pub fn counted<T: std::hash::Hash + Eq>(all: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    all.into_iter().fold(HashMap::new(), |mut counts, one| {
        *counts.entry(one).or_default() += 1;
        counts
    })
}
