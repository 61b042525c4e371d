//! `cofferdam verify` on real brokers: under injected faults of hosts and of the network every guarantee is kept and
//! nothing is left behind; and a history that violates a guarantee is detected. The data that readers find is checked
//! separately.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kit::host::Prepared;
use kit::{Ended, Kafka, Sqs, host};
use serde_json::Value;

const LONG: Duration = Duration::from_secs(180);

fn verify(kafka: &Kafka, sqs: &Sqs, arguments: &[&str]) -> Prepared {
    let brokers = ["verify", "--json", "--kafka", kafka.bootstrap(), "--sqs", sqs.endpoint()];
    host(brokers.iter().chain(arguments))
}

/// Returns the only line on standard output.
#[track_caller]
fn report(ended: &Ended) -> Value {
    assert_eq!(ended.stdout.len(), 1, "{:#?}\n{}", ended.stdout, ended.stderr.join("\n"));
    serde_json::from_str(&ended.stdout[0]).expect("JSON")
}

/// Returns the verdict on each guarantee.
fn verdicts(report: &Value) -> Vec<(&str, &str)> {
    fn word<'a>(one: &'a Value, name: &str) -> &'a str {
        one[name].as_str().expect("a word")
    }
    let promises = report["promises"].as_array().expect("a list");
    promises.iter().map(|one| (word(one, "promise"), word(one, "verdict"))).collect()
}

fn judge(folder: &Path) -> Prepared {
    host(["verify".as_ref(), "--json".as_ref(), "--judge".as_ref(), folder.as_os_str()])
}

/// Removes the first line with all these words, one fact, from a file of a history. Takes a fact that is there only once: an
/// output that was repeated would still be there.
fn mislay(file: &Path, words: &[&str]) -> String {
    let text = std::fs::read_to_string(file).expect("a file of the history");
    let facts: Vec<(&str, Value)> =
        text.lines().map(|line| (line, serde_json::from_str(line).expect("JSON"))).collect();
    let about = |fact: &Value| ["event", "record", "effect"].map(|field| fact[field].to_string());
    let mut times: HashMap<_, usize> = HashMap::new();
    facts.iter().for_each(|(_, fact)| *times.entry(about(fact)).or_default() += 1);
    let is_it =
        |(line, fact): &&(&str, Value)| words.iter().all(|word| line.contains(word)) && times[&about(fact)] == 1;
    let (line, fact) = facts.iter().find(is_it).expect("there is such a line");
    std::fs::write(file, text.replacen(&format!("{line}\n"), "", 1)).expect("written");
    fact["record"].as_str().expect("the fact is about a record").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_and_every_promise_is_held_and_a_history_with_a_gap_is_not_believed() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let arguments = ["--messages", "3000", "--faults", "8", "--simulate", "200", "--keep"];
    let ended = verify(kafka, &sqs, &arguments).start().wait(LONG).await;
    let said = report(&ended);
    assert_eq!((ended.code(), &said["held"]), (Some(0), &true.into()), "{said:#}");
    // Whether faults use up the receives of a message depends on where they strike.
    let always = |promise: &str| !promise.starts_with("a queue moves no message away");
    let not_held = verdicts(&said).into_iter().filter(|(_, verdict)| *verdict != "held");
    let not_checked: Vec<&str> = not_held.map(|(promise, _)| promise).filter(|promise| always(promise)).collect();
    let elsewhere = [
        "no guest holds a thread",
        "a plugin swap",
        "each effect occurs exactly once",
        "a rejected dead letter",
        "a paused route starts only",
    ];
    assert_eq!(not_checked.len(), elsewhere.len(), "{not_checked:?}");
    assert!(
        elsewhere.iter().all(|words| not_checked.iter().any(|promise| promise.starts_with(words))),
        "{not_checked:?}"
    );
    assert_eq!(said["messages"], serde_json::json!({ "kafka": 2850, "sqs": 150 }));
    let faults: u64 = said["faults"].as_object().expect("by kind").values().filter_map(Value::as_u64).sum();
    assert_eq!(faults, 8);
    let judged = |name: &str| said["judged"][name].as_u64().expect("a number");
    assert_eq!(judged("handled") + judged("dead_lettered"), 3000);
    assert!(judged("repeats") <= judged("at_risk") && judged("dead_lettered") > 0, "{said:#}");
    assert!(said["peak"]["resident_bytes"].as_u64() > Some(1 << 20), "{said:#}");
    assert_eq!(said["simulated"]["histories"], 200);

    let folder = PathBuf::from(said["journals"].as_str().expect("it was to be kept"));
    let again = judge(&folder).start().wait(LONG).await;
    assert_eq!((again.code(), &report(&again)["held"]), (Some(0), &true.into()));

    expect_the_checker_to_see(&folder).await;

    // An output that is missing at its destination although a host reported it as durable.
    let found = folder.join("found.jsonl");
    let whole = std::fs::read(&found).expect("a file of the history");
    let lost = mislay(&found, &["found", "output"]);
    let ended = judge(&folder).start().wait(LONG).await;
    let said = report(&ended);
    assert_eq!((ended.code(), &said["held"]), (Some(70), &false.into()));
    let broken: Vec<_> = verdicts(&said).into_iter().filter(|(_, verdict)| *verdict == "broken").collect();
    assert_eq!(broken, [("nothing is lost", "broken")]);
    assert!(said.to_string().contains(&lost), "the report names {lost}: {said:#}");

    // A host that acknowledges a message without a durable output.
    std::fs::write(&found, whole).expect("written");
    mislay(&folder.join("host-00001.jsonl"), &["durable", "output"]);
    let ended = judge(&folder).start().wait(LONG).await;
    assert_eq!(ended.code(), Some(70));
    let said = report(&ended);
    assert!(
        verdicts(&said).contains(&("nothing is acknowledged before its effects are durable", "broken")),
        "{said:#}"
    );

    let name = said["name"].as_str().expect("a name");
    let removed = verify(kafka, &sqs, &["--remove", name]).start().wait(LONG).await;
    assert_eq!(removed.code(), Some(0), "{:?}", removed.stderr);
    expect_nothing_left(kafka, &sqs, name).await;
    std::fs::remove_dir_all(folder).expect("it is there");
}

/// Changes a valid history: the checker must report missing outputs, and outputs that came twice or too early.
async fn expect_the_checker_to_see(folder: &Path) {
    let read = folder.join("read.ndjson");
    let whole = std::fs::read_to_string(&read).expect("what readers found");
    let lines: Vec<&str> = whole.lines().collect();
    let rows: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let alone = |row: &Value| rows.iter().filter(|other| other["id"] == row["id"]).count() == 1;
    // The first two outputs of a key that are the only outputs of their messages.
    let (first, second) = (0..rows.len())
        .find_map(|first| {
            let fits =
                |row: &Value| row["what"].get("output").is_some() && row["lane"] == rows[first]["lane"] && alone(row);
            let second = (first + 1..rows.len()).find(|second| fits(&rows[*second]))?;
            fits(&rows[first]).then_some((first, second))
        })
        .expect("a lane with two outputs");
    let (mut gone, mut swapped, mut invented) = (lines.clone(), lines.clone(), lines.clone());
    gone.remove(first);
    swapped.swap(first, second);
    let invention = lines[first].replace(r#""id":""#, r#""id":"x"#);
    invented.push(&invention);
    for (rows, promise) in [
        (gone, "readers find the outputs or the dead letter of every message"),
        (swapped, "readers find outputs and dead letters of a key in order"),
        (invented, "readers find only results of the messages that were sent"),
    ] {
        std::fs::write(&read, rows.join("\n") + "\n").expect("written");
        let ended = judge(folder).start().wait(LONG).await;
        let said = report(&ended);
        let broken: Vec<_> = verdicts(&said).into_iter().filter(|(_, verdict)| *verdict == "broken").collect();
        assert_eq!((ended.code(), broken), (Some(70), vec![(promise, "broken")]));
    }
    std::fs::write(&read, whole).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_fails_answers_are_lost_and_every_promise_is_held() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let kinds = ["--inject", "cut,delay,hold_requests,hold_answers,lose_answers,isolate", "--seed", "3"];
    let arguments = ["--messages", "2000", "--faults", "8", "--simulate", "0"];
    let ended = verify(kafka, &sqs, &[&arguments[..], &kinds].concat()).start().wait(LONG).await;
    let said = report(&ended);
    assert_eq!((ended.code(), &said["held"]), (Some(0), &true.into()), "{said:#}");
    let struck = |name: &str| said["network"][name].as_u64().expect("a number");
    assert!(struck("answers_lost") > 0 && struck("cut") > 0, "{said:#}");
    assert!(struck("requests_held") + struck("answers_held") > 0, "{said:#}");
    assert_eq!(struck("unread"), 0, "all connections went through the proxies");
    assert_eq!(said["left_out"], serde_json::json!([]));
    assert!(said["readers"]["read"].as_u64() > Some(2000), "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn network_faults_that_cannot_strike_are_told() {
    let arguments = ["verify", "--json", "--simulate", "0", "--sqs", "https://127.0.0.1:9", "--inject", "lose_answers"];
    let ended = host(arguments).start().wait(LONG).await;
    assert_eq!(ended.code(), Some(64), "{:?}", ended.stderr);
    let said = report(&ended);
    let what = said["error"]["what"].as_str().expect("words");
    assert_eq!(
        what,
        "no fault can be injected: network faults: left out, the endpoint of SQS is not an http:// address"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_and_each_effect_is_there_exactly_once() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let arguments = ["verify", "--json", "--kafka", kafka.bootstrap(), "--delivery", "exactly_once"];
    let ended = host(arguments.iter().chain(&["--messages", "2000", "--faults", "4", "--simulate", "0"]));
    let ended = ended.start().wait(LONG).await;
    let said = report(&ended);
    assert_eq!((ended.code(), &said["held"]), (Some(0), &true.into()), "{said:#}");
    assert!(verdicts(&said).contains(&("each effect occurs exactly once, in order", "held")), "{said:#}");
    assert_eq!(said["judged"]["found_again"], 0);
    assert!(verdicts(&said).contains(&("readers find nothing twice", "held")), "{said:#}");
    assert_eq!(said["readers"]["again"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_nothing_behind() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let brokers = ["verify", "--kafka", kafka.bootstrap(), "--sqs", sqs.endpoint()];
    let mut run = host(brokers.iter().chain(&["--messages", "100000", "--faults", "1", "--simulate", "0"])).start();
    let line = run.says("hosts write to", LONG).await;
    let folder = PathBuf::from(line.rsplit(' ').next().expect("the last word"));
    let journal = folder.join("host-00001.jsonl");
    kit::eventually("a host handles messages", LONG, async || {
        std::fs::read_to_string(&journal).ok().filter(|text| text.contains("\"handled\""))
    })
    .await;
    run.signal(kit::Signal::INT);
    let ended = run.wait(LONG).await;
    assert_eq!(ended.code(), Some(130), "{:?}", ended.stderr);
    assert!(!folder.exists());
    expect_nothing_left(kafka, &sqs, folder.file_name().and_then(|name| name.to_str()).expect("a name")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_cannot_be_reached_are_told_by_the_exit_code() {
    let ended = host(["verify", "--json", "--simulate", "0", "--sqs", "http://127.0.0.1:9"]).start().wait(LONG).await;
    assert_eq!(ended.code(), Some(69), "{:?}", ended.stderr);
    let first: Value = serde_json::from_str(&ended.stdout[0]).expect("JSON");
    assert!(first["error"]["what"].as_str().is_some_and(|what| what.contains("failed to create queue")), "{first}");
}

/// The topics of a run disappear some time after they are removed.
async fn expect_nothing_left(kafka: &Kafka, sqs: &Sqs, name: &str) {
    kit::eventually("topics are gone", Duration::from_secs(30), async || {
        let topics = kafka.topics().await;
        (!topics.iter().any(|topic| topic.starts_with(name))).then_some(())
    })
    .await;
    let listed = sqs.client().list_queues().queue_name_prefix(name).send().await.expect("the server answers");
    assert_eq!(listed.queue_urls().len(), 0, "{listed:?}");
}
