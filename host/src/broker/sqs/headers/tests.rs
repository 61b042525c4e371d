use super::*;

fn there_and_back(headers: &Headers) -> (Vec<String>, Headers) {
    with_encoding(headers, None)
}

fn with_encoding(headers: &Headers, encoding: Option<&str>) -> (Vec<String>, Headers) {
    let attributes = encode(headers.iter(), encoding);
    assert!(attributes.len() <= attribute::MOST);
    let names = attributes.iter().map(|(name, _)| name.clone()).collect();
    (names, decode(&attributes.into_iter().collect()))
}

fn numbered(count: usize) -> Headers {
    let mut headers = Headers::default();
    (0..count).for_each(|number| headers.push(Header::text(&format!("h{number:02}"), "x")));
    headers
}

#[test]
fn ten_headers_are_ten_attributes() {
    let headers = numbered(10);
    let (names, back) = there_and_back(&headers);
    assert!(!names.contains(&FOLDED.to_owned()));
    assert_eq!(back, headers);
}

#[test]
fn more_than_ten_come_back_all_the_same() {
    let mut headers = Headers::from([Header::text("cofferdam-dlq", "{}")]);
    headers.extend(numbered(25).iter());
    let (names, back) = with_encoding(&headers, Some("base64"));
    headers.push(Header::text("cofferdam-encoding", "base64"));
    assert_eq!(names.len(), 10);
    for visible in ["cofferdam-dlq", "cofferdam-encoding", "h00", "h06", FOLDED] {
        assert!(names.contains(&visible.to_owned()), "{visible} is not among {names:?}");
    }
    headers.sort_by_name();
    assert_eq!(back, headers);
}

#[test]
fn a_header_that_is_called_like_the_encoding_says_nothing_of_the_body() {
    let claim = Header::text(ENCODING, "tombstone");
    let (names, back) = there_and_back(&[claim].into());
    assert_eq!((names, back), (vec![FOLDED.to_owned()], [claim].into()));
    let attributes: HashMap<_, _> = encode([claim].into_iter(), Some("base64")).into_iter().collect();
    assert_eq!(attributes[ENCODING].string_value(), Some("base64"));
    assert_eq!(decode(&attributes), [Header::text(ENCODING, "base64"), claim].into());
}

#[test]
fn what_kafka_takes_and_sqs_does_not_comes_back_byte_for_byte() {
    let header = |name: &'static str, value: Option<&'static [u8]>, kind| -> Header<'static> {
        Header { name: name.as_bytes(), value, kind }
    };
    let headers = Headers::from([
        header("", Some(b"empty name"), Kind::Bytes),
        header("AWS.x", None, Kind::Bytes),
        header("a", Some(b"first"), Kind::Bytes),
        header("a", Some(b"\xff\x00"), Kind::Bytes),
        header("a", None, Kind::Text),
        header("b", Some(b"\x01"), Kind::Number),
        header("c", Some("\u{FFFF}".as_bytes()), Kind::Labelled("Date")),
        header("d e", Some("\u{1}ü\"".as_bytes()), Kind::Text),
        Header { name: b"\xff\x80", value: None, kind: Kind::Bytes },
    ]);
    let (names, back) = there_and_back(&headers);
    assert_eq!(names, ["a", FOLDED]);
    assert_eq!(back, headers);
}

#[test]
fn an_attribute_that_only_has_the_name_stays_as_it_is() {
    for value in ["", "no json", "{}", "[1]", "[[\"a\"]]", "[[\"a\",\"x\",\"String\",\"hex\"]]"] {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap();
        let back = decode(&HashMap::from([(FOLDED.to_owned(), attribute)]));
        assert_eq!(back, [Header::text(FOLDED, value)].into());
    }
}
