//! Each hostile handler of the table becomes what the table says, all of them in one process that lives on.

use std::time::{Duration, Instant};

use cofferdam::plugin::{Engine, EngineConfig, Plugin, Spec, keyvalue};
use cofferdam_core::outcome::Outcome;
use kit::Hostile;

/// What became of one of them.
struct Verdict {
    outcome: String,
    code: String,
    text: String,
    /// From the bytes to a plugin, or to its refusal.
    load: Duration,
    /// From the message to the verdict.
    took: Duration,
    /// CPU time of this process for both.
    cpu: Duration,
}

fn spec(hostile: &Hostile) -> Spec {
    let bucket = hostile.keyvalue.then(|| keyvalue::Store::in_memory().bucket("own"));
    Spec { limits: hostile.limits.clone(), keyvalue: bucket, ..Spec::new(&*hostile.name) }
}

/// Loads it, gives it a message, and takes the time.
async fn verdict(engine: &Engine, hostile: &Hostile) -> Verdict {
    let before = kit::sched::process_time();
    let verdict = untimed(engine, hostile).await;
    Verdict { cpu: kit::sched::process_time() - before, ..verdict }
}

async fn untimed(engine: &Engine, hostile: &Hostile) -> Verdict {
    let started = Instant::now();
    let plugin = match Plugin::load(engine, &hostile.bytes, spec(hostile)) {
        Ok(plugin) => plugin,
        Err(error) => {
            let reason = format!("{:?}", error.refusal);
            let code = reason.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
            let (code, text) = (code.to_owned(), error.to_string());
            let (load, took, cpu) = (started.elapsed(), Duration::ZERO, Duration::ZERO);
            return Verdict { outcome: "refused".into(), code, text, load, took, cpu };
        }
    };
    let (load, message) = (started.elapsed(), kit::hostile::message(&hostile.payload));
    let started = Instant::now();
    let attempt = plugin.handle(&message, 1).await;
    let (took, cpu) = (started.elapsed(), Duration::ZERO);
    // What a route does with the outputs of a handler that ended well.
    let outcome = match attempt.outcome {
        Outcome::Done(outputs) => kit::hostile::resolve(&message, outputs),
        Outcome::Failed(failure) => Outcome::Failed(failure),
    };
    match outcome {
        Outcome::Done(_) => Verdict { outcome: "done".into(), code: "-".into(), text: String::new(), load, took, cpu },
        Outcome::Failed(failure) => Verdict {
            outcome: failure.class.to_string(),
            code: failure.code.to_string(),
            text: failure.text.into(),
            load,
            took,
            cpu,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_handler_becomes_what_the_table_says() {
    let engine = Engine::new(EngineConfig { instances: 50, ..EngineConfig::default() }).expect("addresses enough");
    let corpus = kit::hostile::corpus();
    assert!(corpus.len() >= 40, "{} of them", corpus.len());
    let mut wrong = Vec::new();
    println!("{:36} {:16} {:28} {:>10} {:>13} {:>13}", "component", "outcome", "code", "verdict", "load", "cpu");
    for hostile in &corpus {
        let verdict = verdict(&engine, hostile).await;
        let right = (&verdict.outcome, &verdict.code) == (&hostile.outcome, &hostile.code);
        let Verdict { outcome, code, text, load, took, cpu } = verdict;
        let dear = cpu > hostile.cpu;
        let [load, took, burnt] = [load, took, cpu].map(|time| time.as_secs_f64() * 1_000.0);
        let mark = if right && !dear { "" } else { "  WRONG" };
        println!("{:36} {outcome:16} {code:28} {took:7.2} ms {load:10.2} ms {burnt:10.2} ms{mark}", hostile.name);
        if dear {
            wrong.push(format!("{}: {cpu:?} of CPU, more than {:?}", hostile.name, hostile.cpu));
        }
        if !right {
            wrong.push(format!("{}: {outcome} {code}, not {} {}: {text}", hostile.name, hostile.outcome, hostile.code));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), corpus.len(), wrong.join("\n"));
}
