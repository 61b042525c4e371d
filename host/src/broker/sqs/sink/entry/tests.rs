use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::message::Headers;

use super::*;
use crate::broker::sqs;

fn queue(name: &str) -> Queue {
    Queue {
        name: name.into(),
        url: "http://x/1/q".into(),
        fifo: name.ends_with(".fifo"),
        arn: None,
        redrive: None,
        max_receives: None,
        visibility_timeout: Duration::from_secs(30),
        largest_message: 1000,
    }
}

fn publication(headers: Headers, payload: Option<&[u8]>) -> Publication {
    Publication {
        destination: sqs::queue("q"),
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
    assert_eq!(write(&queue("q"), &publication(Headers::default(), Some(&most))).unwrap().size, 1000);
    let header = [Header::text("a", "b")].into();
    assert_eq!(code(write(&queue("q"), &publication(header, Some(&most)))), Code::OUTPUT_TOO_LARGE);
}

#[test]
fn no_message_is_too_odd_to_be_sent() {
    let mut headers = Headers::default();
    (0..15).for_each(|n| headers.push(Header::text(&format!("a{n}"), "x")));
    headers.push(Header::text("not a name", "x"));
    headers.push(Header::text("a1", "again"));
    let entry = write(&queue("q"), &publication(headers, Some(b"\xff"))).unwrap();
    let attributes = entry.request.message_attributes().unwrap();
    assert_eq!(attributes.len(), 10);
    assert_eq!(attributes[body::ENCODING].string_value(), Some("base64"));
    assert!(attributes.contains_key(headers::FOLDED));
}

#[test]
fn a_fifo_queue_needs_a_group() {
    let mut publication = publication(Headers::default(), Some(b"x"));
    assert_eq!(code(write(&queue("q.fifo"), &publication)), Code::INVALID_RESULT);
    publication.group = Some("".into());
    assert_eq!(code(write(&queue("q.fifo"), &publication)), Code::INVALID_RESULT);
    assert!(write(&queue("q"), &publication).is_ok());
}

#[test]
fn ids_that_sqs_does_not_take_are_written_so_that_it_does() {
    let long = "é".repeat(100);
    let digest = digest(&long);
    for (id, group) in
        [("o-1/0", "o-1/0"), ("100%", "100%"), ("50% é", "50%25%20%C3%A9"), (long.as_str(), digest.as_str())]
    {
        let mut publication = publication(Headers::default(), Some(b"x"));
        (publication.group, publication.deduplication) = (Some(id.into()), Some(id.into()));
        let request = write(&queue("q.fifo"), &publication).unwrap().request;
        assert_eq!(request.message_group_id(), Some(group));
        let deduplication = if is_id(id) { id.to_owned() } else { super::digest(id) };
        assert_eq!(request.message_deduplication_id(), Some(&*deduplication));
        let standard = write(&queue("q"), &publication).unwrap().request;
        assert_eq!((standard.message_group_id(), standard.message_deduplication_id()), (Some(group), None));
    }
}

#[test]
fn the_trace_header_stands_beside_the_attributes() {
    let trace = Header::text(attribute::TRACE, "Root=1-5759e988-bd862e3fe1be46a994272793");
    let entry = write(&queue("q"), &publication([trace].into(), Some(b"x"))).unwrap();
    assert!(entry.request.message_attributes().is_none());
    assert!(entry.request.message_system_attributes().is_some());
    let other = Header::text(attribute::TRACE, "something else");
    let entry = write(&queue("q"), &publication([other].into(), Some(b"x"))).unwrap();
    assert!(entry.request.message_attributes().is_some());
}
