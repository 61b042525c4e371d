use proptest::prelude::*;

use super::*;

/// Name, value, data type.
type Owned = (Vec<u8>, Option<Vec<u8>>, String);

fn owned() -> impl Strategy<Value = Vec<Owned>> {
    let kinds = prop::sample::select(vec!["Binary", "String", "Number", "Number.int", ""]);
    let one = (any::<Vec<u8>>(), any::<Option<Vec<u8>>>(), kinds.prop_map(str::to_owned));
    prop::collection::vec(one, 0..8)
}

fn view((name, value, kind): &Owned) -> Header<'_> {
    Header { name, value: value.as_deref(), kind: Kind::of(kind) }
}

proptest! {
    #[test]
    fn what_was_put_in_comes_out_in_order(all in owned()) {
        let headers: Headers = all.iter().map(view).collect();
        prop_assert_eq!(headers.len(), all.len());
        prop_assert_eq!(headers.iter().collect::<Vec<_>>(), all.iter().map(view).collect::<Vec<_>>());
        prop_assert_eq!(headers.size(), all.iter().map(|header| view(header).size()).sum::<usize>());
        prop_assert_eq!(headers.iter().nth(all.len()), None);
    }

    #[test]
    fn those_that_are_kept_are_as_they_were(all in owned(), kept in any::<u8>()) {
        let mut headers: Headers = all.iter().map(view).collect();
        let is_kept = |place: usize| kept & (1 << place) != 0;
        let mut place = 0..;
        headers.retain(|_| is_kept(place.next().expect("endless")));
        let expected = all.iter().enumerate().filter(|(place, _)| is_kept(*place)).map(|(_, header)| view(header));
        prop_assert_eq!(headers, expected.collect());
    }
}

#[test]
fn the_last_of_a_name_is_what_it_says_whatever_its_letter_case() {
    let mut headers = Headers::from([Header::text("Tenant", "north"), Header::text("tenant", "south")]);
    assert_eq!(headers.text("TENANT"), Some("south"));
    assert_eq!(headers.texts(["other", "tenant"]), [None, Some("south")]);
    headers.push(Header::bytes("tenant", b"\xff"));
    assert_eq!((headers.text("tenant"), headers.text("other")), (None, None));
}

#[test]
fn what_is_written_is_a_text() {
    let mut headers = Headers::from([Header::text("a", "1")]);
    headers.push_written("b", |text| write!(text, "{}{}", 4, 2));
    assert_eq!(headers, Headers::from([Header::text("a", "1"), Header::text("b", "42")]));
    assert_eq!(headers.size(), 32 + 2 + 32 + 3);
}
