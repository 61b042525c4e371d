//! Each hostile handler of the table has the outcome in the table, all in one process that survives them.

use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam::plugin::keyvalue::{Quota, Store};
use cofferdam::plugin::{Engine, EngineConfig, Plugin, Spec};
use cofferdam_core::outcome::Outcome;
use kit::{Hostile, usage};

/// The result of one handler.
struct Verdict {
    outcome: String,
    code: String,
    text: String,
    /// Time from the bytes to a plugin or to its refusal.
    load: Duration,
    /// Time from the message to the outcome.
    took: Duration,
    /// CPU time of this process for both.
    cpu: Duration,
    /// Maximum growth of the memory of this process, in bytes.
    memory: u64,
    /// Size of its compiled form and of its key-value store on disk, in bytes.
    disk: u64,
}

fn spec(hostile: &Hostile, folder: &Path) -> Spec {
    // Created with or without a grant, so that the figures are comparable.
    let quota = Quota { store: 2 << 20, bucket: 1 << 20 };
    let store = Store::open(&folder.join("keyvalue.redb"), quota).expect("a store");
    let bucket = hostile.keyvalue.then(|| store.bucket("own"));
    Spec { limits: hostile.limits.clone(), keyvalue: bucket, ..Spec::new(&*hostile.name) }
}

/// Loads the handler, sends it a message, and measures what the host uses for both.
async fn verdict(engine: &Engine, hostile: &Hostile, folder: &Path) -> Verdict {
    let spec = spec(hostile, folder);
    let (cpu, resident, disk) = (kit::sched::process_time(), usage::resident(), usage::on_disk(folder));
    usage::forget_peak();
    let verdict = unmeasured(engine, hostile, spec).await;
    Verdict {
        cpu: kit::sched::process_time() - cpu,
        memory: usage::peak().saturating_sub(resident),
        disk: usage::on_disk(folder).saturating_sub(disk),
        ..verdict
    }
}

async fn unmeasured(engine: &Engine, hostile: &Hostile, spec: Spec) -> Verdict {
    let started = Instant::now();
    let plugin = match Plugin::load(engine, &hostile.bytes, spec) {
        Ok(plugin) => plugin,
        Err(error) => {
            let reason = format!("{:?}", error.refusal);
            let code = reason.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
            let (code, text) = (code.to_owned(), error.to_string());
            let none = Duration::ZERO;
            let load = started.elapsed();
            return Verdict { outcome: "refused".into(), code, text, load, took: none, cpu: none, memory: 0, disk: 0 };
        }
    };
    let (load, message) = (started.elapsed(), kit::hostile::message(&hostile.payload));
    let started = Instant::now();
    let attempt = plugin.handle(&message, 1).await;
    let took = started.elapsed();
    // What a route does with the outputs of a successful handler.
    let outcome = match attempt.outcome {
        Outcome::Done(outputs) => kit::hostile::resolve(&message, outputs),
        Outcome::Failed(failure) => Outcome::Failed(failure),
    };
    let (outcome, code, text) = match outcome {
        Outcome::Done(_) => ("done".into(), "-".into(), String::new()),
        Outcome::Failed(failure) => (failure.class.to_string(), failure.code.to_string(), failure.text.into()),
    };
    Verdict { outcome, code, text, load, took, cpu: Duration::ZERO, memory: 0, disk: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_handler_becomes_what_the_table_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Some(folder.path().join("compiled"));
    let engine =
        Engine::new(EngineConfig { instances: 50, cache, ..EngineConfig::default() }).expect("addresses enough");
    let corpus = kit::hostile::corpus();
    assert!(corpus.len() >= 40, "{} of them", corpus.len());
    let mut wrong = Vec::new();
    println!(
        "{:36} {:16} {:28} {:>10} {:>13} {:>13} {:>11} {:>11}",
        "component", "outcome", "code", "verdict", "load", "cpu", "memory", "disk"
    );
    for hostile in &corpus {
        let verdict = verdict(&engine, hostile, folder.path()).await;
        let before = wrong.len();
        let Verdict { outcome, code, text, load, took, cpu, memory, disk } = verdict;
        let (name, most) = (&hostile.name, &hostile.most);
        if (&outcome, &code) != (&hostile.outcome, &hostile.code) {
            wrong.push(format!("{name}: {outcome} {code}, not {} {}: {text}", hostile.outcome, hostile.code));
        }
        if cpu > most.cpu {
            wrong.push(format!("{name}: {cpu:?} of CPU, more than {:?}", most.cpu));
        }
        for (what, used, most) in [("memory", memory, most.memory), ("disk", disk, most.disk)] {
            if used > most {
                wrong.push(format!("{name}: {} KiB of {what}, more than {}", used >> 10, most >> 10));
            }
        }
        let [load, took, burnt] = [load, took, cpu].map(|time| time.as_secs_f64() * 1_000.0);
        let mark = if wrong.len() == before { "" } else { "  WRONG" };
        println!(
            "{name:36} {outcome:16} {code:28} {took:7.2} ms {load:10.2} ms {burnt:10.2} ms {:7} KiB {:7} KiB{mark}",
            memory >> 10,
            disk >> 10
        );
    }
    assert!(wrong.is_empty(), "{} findings in {} handlers:\n{}", wrong.len(), corpus.len(), wrong.join("\n"));
}
