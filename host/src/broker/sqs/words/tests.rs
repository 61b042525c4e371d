use std::net::Ipv4Addr;

use axum::Router;
use axum::http::StatusCode;
use tokio::net::TcpListener;

use crate::broker::sqs::client;
use crate::broker::sqs::queue::Queue;

/// Returns the error text for a server that answers every request with this response.
async fn said(status: u16, answer: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let status = StatusCode::from_u16(status).unwrap();
    let router = Router::new().fallback(move || async move { (status, answer) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    of_endpoint(&endpoint).await
}

async fn of_endpoint(endpoint: &str) -> String {
    let client = client(Some("eu-west-1"), Some(endpoint)).await;
    Queue::resolve(&client, "q").await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_foreign_answer_is_told_by_its_status_and_its_beginning() {
    let html = "<html>\n<body>503 Service Unavailable</body></html>";
    assert_eq!(
        said(503, html).await,
        "failed to reach queue `q` (sqs:GetQueueUrl): HTTP 503, not an answer of SQS: <html> <body>503 Service Unavailable</body></html>"
    );
    let text = said(200, "please log in").await;
    assert!(text.contains("HTTP 200, not an answer of SQS: please log in"), "{text}");
    let text = said(403, "").await;
    assert!(text.contains("HTTP 403 without a message"), "{text}");
}

#[tokio::test]
async fn a_signature_that_is_refused_names_the_clock() {
    let text =
        said(403, r#"{"__type":"com.amazonaws.sqs#InvalidSignatureException","message":"Signature expired."}"#).await;
    assert!(
        text.ends_with(
            "InvalidSignatureException: Signature expired; check the secret access key and the clock of this machine"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_nobody_runs_is_told_in_one_sentence() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let text = of_endpoint(&endpoint).await;
    assert!(text.contains("failed to connect: ") && text.contains("Connection refused"), "{text}");
    assert!(!text.contains('{') && !text.contains("Error"), "not the debug form: {text}");
}
