//! The small examples, on brokers inside the process: their outputs and dead letters.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Returns the lines that `dev` prints for this example, as JSON.
async fn lines(example: &str, rates: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example);
    let host = kit::host(["dev", folder.to_str().expect("unicode"), "--exit-when-idle", "--json"]);
    let host = host.env("ADMIN_LISTEN", "127.0.0.1:0").env("RATES", rates).start();
    // The handler is built first.
    let ended = host.wait(Duration::from_secs(400)).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    ended.stdout.iter().map(|line| serde_json::from_str(line).expect("JSON lines only")).collect()
}

/// Returns the payloads of all outputs, sorted.
fn outputs(lines: &[Value]) -> Vec<String> {
    let sent = lines.iter().filter_map(|line| line["sent"].as_array()).flatten();
    let mut payloads: Vec<String> = sent.map(|output| output["payload"].to_string()).collect();
    payloads.sort();
    payloads
}

fn dead_letters(lines: &[Value]) -> Vec<&str> {
    let dead = lines.iter().filter(|line| line["event"] == "dead_letter");
    dead.map(|line| line["code"].as_str().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_topic_copies_every_message() {
    let lines = lines("copy-topic", "").await;
    assert_eq!(outputs(&lines).len(), 3, "{lines:#?}");
    assert_eq!(dead_letters(&lines), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_orders_passes_large_orders_on_and_stores_what_has_no_total() {
    let lines = lines("filter-orders", "").await;
    let outputs = outputs(&lines);
    assert!(matches!(&outputs[..], [only] if only.contains("o-1")), "{outputs:#?}");
    assert_eq!(dead_letters(&lines), ["VALIDATION_ERROR"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn enrich_adds_the_rate_of_each_currency() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let rates = format!("http://{}", server.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            let body = include_str!("../../examples/enrich/server/rates.json");
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let lines = lines("enrich", &rates).await;
    let outputs = outputs(&lines);
    assert_eq!(outputs.iter().filter(|payload| payload.contains("1.08")).count(), 1, "{outputs:#?}");
    assert_eq!(outputs.len(), 3, "{outputs:#?}");
}
