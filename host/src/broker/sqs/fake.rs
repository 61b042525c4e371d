//! A scripted server for tests, for responses that a real server does not give on request.

use std::net::Ipv4Addr;
use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Returns the response to an operation with this request, or the code of a client error.
type Script = dyn Fn(&str, &Value) -> Result<Value, &'static str> + Send + Sync;

/// Creates a client for a server that has every queue. The script answers all calls except those that look up the
/// queue.
pub(crate) async fn client(
    script: impl Fn(&str, &Value) -> Result<Value, &'static str> + Send + Sync + 'static,
) -> Client {
    client_after(0, script).await
}

/// As [`client`], but the server closes this many connections before its first response.
pub(crate) async fn client_after(
    ended: usize,
    script: impl Fn(&str, &Value) -> Result<Value, &'static str> + Send + Sync + 'static,
) -> Client {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let router = Router::new().fallback(answer).with_state(Arc::new(script) as Arc<Script>);
    // The task ends with the event loop of its test.
    tokio::spawn(async move {
        for _ in 0..ended {
            drop(listener.accept().await);
        }
        axum::serve(listener, router).await
    });
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "fake"));
    Client::from_conf(config.build())
}

async fn answer(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().expect("ascii");
    let operation = target.trim_start_matches("AmazonSQS.");
    let request: Value = serde_json::from_slice(&body).expect("the sdk sends json");
    let answer = match operation {
        "GetQueueUrl" => {
            Ok(json!({ "QueueUrl": format!("http://fake/1/{}", request["QueueName"].as_str().expect("a name")) }))
        }
        "GetQueueAttributes" => Ok(json!({ "Attributes": { "VisibilityTimeout": "30" } })),
        other => script(other, &request),
    };
    match answer {
        Ok(answer) => (StatusCode::OK, answer.to_string()),
        Err(code) => (StatusCode::BAD_REQUEST, json!({ "__type": code, "message": "as the test says" }).to_string()),
    }
}

/// Builds the response to a batch: each entry succeeds, or fails with a code and whether the fault is the sender's.
pub(crate) fn batch(request: &Value, mut entry: impl FnMut(&Value) -> Result<(), (&'static str, bool)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for item in request["Entries"].as_array().expect("entries") {
        match entry(item) {
            Ok(()) => successful.push(json!({ "Id": item["Id"], "MessageId": "m", "MD5OfMessageBody": "m" })),
            Err((code, sender)) => failed.push(json!({ "Id": item["Id"], "Code": code, "SenderFault": sender })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}
