use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::message::{Header, Position, Record};

fn filled(template: &str) -> Result<String, Error> {
    let record = Record {
        source: "orders".into(),
        position: Position::Offset { partition: 3, offset: 42 },
        key: Some(Bytes::from_static(b"o-1")),
        headers: [Header::text("tenant", "acme")].into(),
        payload: None,
        timestamp_ms: None,
    };
    let attributes = vec![("entity".into(), "e-1".into()), ("task".into(), "parse".into())];
    let message = Message { id: "m-1".into(), attributes, ..Arc::new(record).into() };
    let output = Output { attributes: vec![("task".into(), "embed".into())], ..Output::default() };
    Template::parse(template)?.fill(Scope { output: &output, message: &message, output_id: "m-1/0" })
}

#[test]
fn names_come_from_the_output_then_the_message_then_the_fixed_ones() {
    let all = filled("{entity}-{task} {id} {output_id} {source} {key} {header:tenant}").expect("all are there");
    assert_eq!(all, "e-1-embed m-1 m-1/0 orders o-1 acme");
}

#[test]
fn doubled_braces_stand_for_themselves() {
    assert_eq!(filled("{{{entity}}}").as_deref(), Ok("{e-1}"));
    assert_eq!(Template::parse("{{x}}-{key}").expect("parses").to_string(), "{{x}}-{key}");
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(filled("{nobody}"), Err(Error::Missing("nobody".into())));
    assert_eq!(filled("{header:nobody}"), Err(Error::Missing("header:nobody".into())));
    assert!(matches!(filled("{open"), Err(Error::Unbalanced(_))));
    assert!(matches!(filled("shut}"), Err(Error::Unbalanced(_))));
    assert!(matches!(filled("{a{b}"), Err(Error::Unbalanced(_))));
    assert!(matches!(filled("{ }"), Err(Error::EmptyName(_))));
}
