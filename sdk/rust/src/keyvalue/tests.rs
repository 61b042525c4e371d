//! What handlers rely on, shown on the stand-in.

use super::*;
use crate::{FailureKind, test};

#[test]
fn a_value_is_read_back_overwritten_and_removed() {
    let bucket = open("orders").unwrap();
    assert_eq!(bucket.get("k"), Ok(None));
    bucket.set("k", "one").unwrap();
    bucket.set("k", "two").unwrap();
    assert_eq!(bucket.get("k"), Ok(Some(b"two".to_vec())));
    assert_eq!(open("others").unwrap().get("k"), Ok(None), "buckets are apart");
    bucket.delete("k").unwrap();
    bucket.delete("k").unwrap();
    assert_eq!(bucket.exists("k"), Ok(false));
}

#[test]
fn a_counter_counts_and_refuses_what_is_no_number() {
    let bucket = open("orders").unwrap();
    assert_eq!(bucket.increment("n", 2), Ok(2));
    assert_eq!(bucket.increment("n", -5), Ok(-3));
    assert_eq!(bucket.increment("n", 0), Ok(-3));
    assert_eq!(bucket.get("n"), Ok(Some(b"-3".to_vec())));
    assert!(matches!(bucket.increment("n", i64::MIN), Err(Error::Other(_))));
    bucket.set("text", "x").unwrap();
    assert!(matches!(bucket.increment("text", 1), Err(Error::Other(_))));
    assert_eq!(bucket.get("text"), Ok(Some(b"x".to_vec())), "a refused increment changes nothing");
}

#[test]
fn the_first_to_set_an_absent_key_keeps_it() {
    let bucket = open("orders").unwrap();
    assert_eq!(bucket.set_if_absent("owner", "first"), Ok(None));
    assert_eq!(bucket.set_if_absent("owner", "second"), Ok(Some(b"first".to_vec())));
    assert_eq!(bucket.get("owner"), Ok(Some(b"first".to_vec())));
}

#[test]
fn a_swap_on_a_changed_key_does_nothing() {
    let bucket = open("orders").unwrap();
    let (_, noted) = bucket.0.note("k").unwrap();
    bucket.set("k", "somebody else").unwrap();
    assert_eq!(noted.swap(b"mine"), Ok(false));
    assert_eq!(bucket.get("k"), Ok(Some(b"somebody else".to_vec())));
}

#[test]
fn a_store_that_is_away_makes_the_message_come_again() {
    test::fail_keyvalue_after(0);
    let failure = Failure::from(open("orders").unwrap().get("k").unwrap_err());
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Retryable, "SERVICE_UNAVAILABLE"));
}

#[test]
fn a_bucket_that_was_not_granted_is_nothing_to_retry() {
    for error in [Error::NoSuchStore, Error::AccessDenied] {
        assert_eq!(Failure::from(error).kind, FailureKind::Permanent);
    }
}
