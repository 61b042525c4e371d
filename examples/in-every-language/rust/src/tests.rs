use cofferdam_sdk::{Header, log::Level, test};

use super::*;

fn handled(payload: &str) -> Result<Vec<Output>, Failure> {
    test::set_config("vat.DE", "19");
    test::set_config("free_shipping_cents", "500");
    handle(test::message().payload(payload).build())
}

#[test]
fn an_order_gets_its_vat_and_shipping() {
    let order = r#"{"order": "o-1", "customer": "Ada <&> Söhne", "country": "DE", "items": [{"sku": "a", "quantity": 2, "cents": 250}]}"#;
    let [output] = &handled(order).expect("it is an order")[..] else { panic!("one output") };
    assert_eq!((output.to.as_str(), output.key.as_deref()), ("enriched", Some(&b"o-1"[..])));
    assert_eq!(output.headers, [Header { name: "schema".into(), value: b"order/2".into() }]);
    let expected = concat!(
        r#"{"order":"o-1","customer":"Ada <&> Söhne","country":"DE","#,
        r#""items":[{"sku":"a","quantity":2,"cents":250,"total_cents":500}],"#,
        r#""total_cents":500,"vat_cents":95,"shipping":"free"}"#
    );
    assert_eq!(output.payload.as_deref(), Some(expected.as_bytes()));
    assert_eq!(test::logs(), [(Level::Info, "order o-1: 595 cents with vat".to_owned())]);
}

#[test]
fn what_is_no_order_is_refused() {
    let order = |country: &str, items: &str| {
        handled(&format!(r#"{{"order": "o-1", "customer": "Ada", "country": "{country}", "items": [{items}]}}"#))
            .unwrap_err()
            .code
    };
    assert_eq!(handled("no JSON").unwrap_err().code, "VALIDATION_ERROR");
    assert_eq!(order("DE", ""), "VALIDATION_ERROR");
    assert_eq!(order("DE", r#"{"sku": "a", "quantity": 0, "cents": 1}"#), "VALIDATION_ERROR");
    assert_eq!(order("DE", r#"{"sku": "a", "quantity": 1, "cents": -1}"#), "VALIDATION_ERROR");
    assert_eq!(order("XX", r#"{"sku": "a", "quantity": 1, "cents": 1}"#), "UNKNOWN_COUNTRY");
}
