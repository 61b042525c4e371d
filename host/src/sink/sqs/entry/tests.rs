use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::output::Destination;

use super::*;

fn queue(name: &str) -> Queue {
    Queue {
        name: name.into(),
        url: "http://x/1/q".into(),
        fifo: name.ends_with(".fifo"),
        redrive: None,
        max_receives: None,
        visibility_timeout: Duration::from_secs(30),
        largest_message: 1000,
    }
}

fn publication(headers: Vec<Header>, payload: Option<&[u8]>) -> Publication {
    Publication {
        destination: Destination::Sqs(Arc::from("q")),
        key: None,
        headers,
        payload: payload.map(Bytes::copy_from_slice),
        timestamp_ms: None,
        group: None,
        deduplication: None,
    }
}

fn code(result: Result<Entry, Refusal>) -> Code {
    match result {
        Err(Refusal::Rejected(code, _)) => code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_larger_than_the_queue_takes_is_refused_before_it_is_sent() {
    let most = [b'x'; 1000];
    assert_eq!(write(&queue("q"), &publication(vec![], Some(&most))).unwrap().size, 1000);
    let header = vec![Header::text("a", "b")];
    assert_eq!(code(write(&queue("q"), &publication(header, Some(&most)))), Code::OUTPUT_TOO_LARGE);
}

#[test]
fn a_message_has_ten_attributes_and_each_once() {
    let headers = |count: usize| (0..count).map(|n| Header::text(format!("a{n}"), "x")).collect::<Vec<_>>();
    assert!(write(&queue("q"), &publication(headers(10), Some(b"x"))).is_ok());
    assert_eq!(code(write(&queue("q"), &publication(headers(11), Some(b"x")))), Code::INVALID_RESULT);
    let bytes = Some(&b"\xff"[..]);
    assert_eq!(code(write(&queue("q"), &publication(headers(10), bytes))), Code::INVALID_RESULT);
    let twice = vec![Header::text("a", "x"), Header::text("a", "y")];
    assert_eq!(code(write(&queue("q"), &publication(twice, Some(b"x")))), Code::INVALID_RESULT);
}

#[test]
fn a_fifo_queue_needs_a_group_and_gets_a_deduplication_id_it_takes() {
    let mut publication = publication(vec![], Some(b"x"));
    assert_eq!(code(write(&queue("q.fifo"), &publication)), Code::INVALID_RESULT);
    publication.group = Some("with space".into());
    assert_eq!(code(write(&queue("q.fifo"), &publication)), Code::INVALID_RESULT);
    publication.group = Some("g".into());
    for (id, expected) in [("id/0", "id/0"), ("é", "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c")]
    {
        publication.deduplication = Some(id.into());
        let entry = write(&queue("q.fifo"), &publication).unwrap();
        assert_eq!(entry.request.message_deduplication_id(), Some(expected));
    }
    assert_eq!(write(&queue("q"), &publication).unwrap().request.message_deduplication_id(), None);
}

#[test]
fn the_trace_header_stands_beside_the_attributes() {
    let trace = Header::text(attribute::TRACE, "Root=1-5759e988-bd862e3fe1be46a994272793");
    let entry = write(&queue("q"), &publication(vec![trace], Some(b"x"))).unwrap();
    assert!(entry.request.message_attributes().is_none());
    assert!(entry.request.message_system_attributes().is_some());
    let other = Header::text(attribute::TRACE, "something else");
    let entry = write(&queue("q"), &publication(vec![other], Some(b"x"))).unwrap();
    assert!(entry.request.message_attributes().is_some());
}
