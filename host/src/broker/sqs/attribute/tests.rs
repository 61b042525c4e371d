use super::*;

fn header<'a>(kind: Kind<'a>, value: Option<&'a [u8]>) -> Header<'a> {
    Header { name: b"name", value, kind }
}

#[test]
fn every_header_comes_back_as_it_was() {
    let kinds = [Kind::Bytes, Kind::Text, Kind::Number, Kind::Labelled("Number.int"), Kind::Labelled("Binary.png")];
    for kind in kinds {
        for value in [Some(&b"12"[..]), Some(b""), None] {
            let header = header(kind, value);
            let (name, attribute) = encode(header).unwrap();
            let empty = attribute.string_value().is_none_or(str::is_empty)
                && attribute.binary_value().is_none_or(|blob| blob.as_ref().is_empty());
            assert!(!empty, "sqs takes no empty value: {header:?}");
            assert_eq!(decode(&name, &attribute), header);
        }
    }
}

#[test]
fn text_that_sqs_refuses_travels_as_bytes_and_comes_back_as_text() {
    for value in [&b"a\x01b"[..], b"\xff"] {
        let header = header(Kind::Text, Some(value));
        let (name, attribute) = encode(header).unwrap();
        assert_eq!(attribute.data_type(), BINARY_TEXT);
        assert_eq!(decode(&name, &attribute), header);
    }
}

#[test]
fn a_type_says_what_it_is_on_the_wire() {
    let (_, attribute) = encode(header(Kind::Text, Some(b"x"))).unwrap();
    assert_eq!((attribute.data_type(), attribute.string_value()), ("String", Some("x")));
    let (_, attribute) = encode(header(Kind::Number, Some(b"1.5"))).unwrap();
    assert_eq!((attribute.data_type(), attribute.string_value()), ("Number", Some("1.5")));
    let (_, attribute) = encode(header(Kind::Bytes, Some(b"text"))).unwrap();
    assert_eq!((attribute.data_type(), attribute.binary_value()), ("Binary", Some(&Blob::new("text"))));
}

#[test]
fn what_cannot_be_an_attribute_is_refused() {
    for name in ["", "a b", "é", ".a", "a.", "a..b", "AWS.x", "amazon.x", &"a".repeat(257)] {
        assert_eq!(encode(Header::text(name, "x")), Err(Error::Name(name.into())));
    }
    for name in ["a", "a.b-c_D9", "AWSTraceHeader", &"a".repeat(256)] {
        assert!(encode(Header::text(name, "x")).is_ok(), "{name}");
    }
    assert!(matches!(encode(header(Kind::Number, Some(b"\x01"))), Err(Error::Value { .. })));
    assert!(matches!(encode(header(Kind::Labelled("Date"), Some(b"x"))), Err(Error::Type { .. })));
}
