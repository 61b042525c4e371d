//! Each row of the table of outcomes that the sandbox reports.

use cofferdam_core::message::{Headers, Kind};

use super::guest::{echo, failure, handle as guest, outputs};
use super::*;

#[tokio::test]
async fn a_message_arrives_whole_and_comes_back_whole() {
    let attempt = handle(&echo(), spec()).await;
    let Outcome::Done(found) = attempt.outcome else { panic!("{attempt:?}") };
    let message = message();
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[0].to, "message-1");
    assert_eq!(found[0].key, message.record.key);
    let untyped =
        |headers: &Headers| -> Headers { headers.iter().map(|header| Header { kind: Kind::Text, ..header }).collect() };
    assert_eq!(untyped(&found[0].headers), untyped(&message.record.headers));
    assert_eq!(found[0].attributes, message.attributes);
    assert_eq!(found[0].payload, message.payload);
    assert_eq!(attempt.usage.output_bytes, found[0].size() as u64);
    assert_eq!(attempt.usage.memory_peak_bytes, 4 << 16);
}

#[tokio::test]
async fn a_handler_learns_where_a_message_came_from_and_how_often() {
    let guest = guest(&format!(
        "(if (i64.ne (i64.load offset=64 (local.get $message)) (i64.const 1700000000000)) (then unreachable))
        (if (i32.ne (i32.load offset=72 (local.get $message)) (i32.const 7)) (then unreachable))
        (i64.store (i32.const 2048) (i64.load offset=8 (local.get $message)))
        (i32.store8 (i32.const 2084) (i32.const 1))
        (i64.store (i32.const 2088) (i64.load offset=16 (local.get $message))) {}",
        outputs(2048, 1)
    ));
    let plugin = plugin(&guest, spec());
    let mut message = message();
    for (position, text) in [
        (Position::Offset { partition: 3, offset: 42 }, "3/42"),
        (Position::Offset { partition: i32::MIN, offset: i64::MIN }, "-2147483648/-9223372036854775808"),
        (Position::MessageId("0b1c".into()), "0b1c"),
    ] {
        Arc::make_mut(&mut message.record).position = position;
        let attempt = plugin.handle(&message, 7).await;
        let Outcome::Done(found) = attempt.outcome else { panic!("{attempt:?}") };
        assert_eq!((&*found[0].to, found[0].payload.as_deref()), ("orders", Some(text.as_bytes())));
    }
}

#[tokio::test]
async fn headers_arrive_however_many_and_whatever_they_are_called() {
    let plugin = plugin(&echo(), spec());
    let mut message = message();
    let record = Arc::make_mut(&mut message.record);
    record.headers = Headers::default();
    (0..20).for_each(|number| record.headers.push(Header::text(&format!("header-{number}"), "value")));
    record.headers.push(Header { name: b"a\xffb", value: None, kind: Kind::Bytes });
    message.attributes = (0..20).map(|number| (format!("name-{number}").into(), "value".into())).collect();
    let attempt = plugin.handle(&message, 1).await;
    let Outcome::Done(found) = attempt.outcome else { panic!("{attempt:?}") };
    assert_eq!(found[0].headers.len(), 21);
    assert_eq!(found[0].headers.iter().nth(19), Some(Header::text("header-19", "value")));
    assert_eq!(found[0].headers.iter().nth(20), Some(Header::text("a\u{fffd}b", "")));
    assert_eq!(found[0].attributes, message.attributes);
}

#[tokio::test]
async fn what_is_absent_is_not_what_is_empty() {
    let plugin = plugin(&echo(), spec());
    let mut message = message();
    for (key, payload) in [(None, None), (Some("".into()), Some("".into()))] {
        Arc::make_mut(&mut message.record).key = key.clone();
        message.payload = payload.clone();
        let Outcome::Done(found) = plugin.handle(&message, 1).await.outcome else { panic!("it is an echo") };
        assert_eq!((&found[0].key, &found[0].payload), (&key, &payload));
    }
}

#[test]
fn what_people_read_of_a_guest_has_no_control_characters() {
    let text = "a\u{1b}[31m\nb\u{202e}c \u{e9} \"d\"";
    assert_eq!(crate::escape::Escaped(text).to_string(), "a\\u{1b}[31m\\nb\\u{202e}c \u{e9} \"d\"");
}

#[tokio::test]
async fn what_a_handler_says_is_passed_on() {
    for (kind, class) in [(0, Class::Retryable), (1, Class::Permanent), (2, Class::Deferred)] {
        let attempt = handle(&failure(kind, "RATE_LIMITED", "slow down"), spec()).await;
        let failure = failed(&attempt, class, Code::of_handler("RATE_LIMITED"));
        assert_eq!(&*failure.text, "slow down");
        assert_eq!(failure.retry_after, Some(std::time::Duration::from_millis(1500)));
    }
    let attempt = handle(&failure(1, "no code", "text"), spec()).await;
    let failure = failed(&attempt, Class::Permanent, Code::INVALID_CODE);
    let expected = r#"text (the handler gave the code "no code"; expected 1 to 64 characters of A-Z, 0-9 and _)"#;
    assert_eq!(&*failure.text, expected);
}

#[tokio::test]
async fn unreachable_is_a_trap() {
    let attempt = handle(&guest("(unreachable)"), spec()).await;
    let failure = failed(&attempt, Class::Trapped, Code::TRAP_UNREACHABLE);
    assert_eq!(failure.backtrace.iter().map(|name| &**name).collect::<Vec<_>>(), ["handle"]);
}

#[tokio::test]
async fn a_line_of_a_backtrace_is_a_line_whatever_functions_are_called() {
    let mut evil = guest("(call $evil)");
    for (name, shown) in [
        (r"a\0a1: forged\1b[2J\e2\80\ae".to_owned(), r"a\n1: forged\u{1b}[2J\u{202e}".to_owned()),
        ("n".repeat(1 << 16), "n".repeat(200)),
        ("\\1b".repeat(1 << 12), r"\u{1b}".repeat(33) + r"\u"),
    ] {
        evil.items = format!(r#"(func $evil (@name "{name}") (unreachable))"#);
        let attempt = handle(&evil, spec()).await;
        let failure = failed(&attempt, Class::Trapped, Code::TRAP_UNREACHABLE);
        assert_eq!(&*failure.backtrace[0], shown);
        assert_eq!(&*failure.backtrace[1], "handle");
    }
    // The engine ignores names of more than 100,000 bytes.
    evil.items = format!(r#"(func $evil (@name "{}") (unreachable))"#, "n".repeat(1 << 20));
    let attempt = handle(&evil, spec()).await;
    assert!(failed(&attempt, Class::Trapped, Code::TRAP_UNREACHABLE).backtrace.iter().all(|name| name.len() <= 200));
}

#[tokio::test]
async fn endless_recursion_is_a_stack_overflow() {
    let mut recursion = guest("(call $deeper)");
    recursion.items = "(func $deeper (call $deeper))".into();
    failed(&handle(&recursion, spec()).await, Class::Trapped, Code::TRAP_STACK_OVERFLOW);
}

#[tokio::test]
async fn recursion_below_the_first_address_is_a_stack_overflow() {
    let mut recursion = guest("(call $deeper (i32.const 4096))");
    recursion.items = "(func $deeper (param $stack i32)
        (i32.store (local.get $stack) (i32.const 1))
        (call $deeper (i32.sub (local.get $stack) (i32.const 64))))"
        .into();
    failed(&handle(&recursion, spec()).await, Class::Trapped, Code::TRAP_STACK_OVERFLOW);
}

#[tokio::test]
async fn reaching_outside_memory_is_a_trap() {
    for address in ["-4", "0x7fff0000", "262144"] {
        let outside = guest(&format!("(drop (i32.load (i32.const {address})))"));
        failed(&handle(&outside, spec()).await, Class::Trapped, Code::TRAP_MEMORY_OUT_OF_BOUNDS);
    }
}

#[tokio::test]
async fn division_by_zero_is_a_trap() {
    let divide = guest("(drop (i32.div_u (i32.const 1) (i32.const 0)))");
    failed(&handle(&divide, spec()).await, Class::Trapped, Code::TRAP_INTEGER_DIVIDE_BY_ZERO);
}

#[tokio::test]
async fn calls_through_a_table_to_nothing_are_traps() {
    // A null entry, an index out of bounds, and a function of another type.
    for index in [0, 99, 1] {
        let mut call = guest(&format!("(call_indirect (type $nothing) (i32.const {index}))"));
        call.items = "(type $nothing (func)) (table 2 funcref) (elem (i32.const 1) $other)
            (func $other (param i32))"
            .into();
        failed(&handle(&call, spec()).await, Class::Trapped, Code::TRAP_INDIRECT_CALL);
    }
}

#[tokio::test]
async fn any_other_trap_has_a_code_too() {
    let convert = guest("(drop (i32.trunc_f32_s (f32.const nan)))");
    failed(&handle(&convert, spec()).await, Class::Trapped, Code::TRAP_OTHER);
}

#[tokio::test]
async fn a_guest_that_dies_of_refused_memory_is_out_of_memory() {
    let grow = guest("(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then unreachable))");
    let attempt = handle(&grow, spec()).await;
    failed(&attempt, Class::OutOfMemory, Code::MEMORY_LIMIT);
    assert_eq!(attempt.refused_growths, 1);
    assert_eq!(attempt.usage.memory_peak_bytes, 4 << 16, "what was refused was never there");
}

#[tokio::test]
async fn a_guest_that_dies_of_refused_table_elements_is_out_of_memory() {
    let mut grow =
        guest("(if (i32.eq (table.grow $table (ref.null func) (i32.const 30000)) (i32.const -1)) (then unreachable))");
    grow.items = "(table $table 1 funcref)".into();
    failed(&handle(&grow, spec()).await, Class::OutOfMemory, Code::TABLE_LIMIT);
}

#[tokio::test]
async fn a_guest_that_lives_with_refused_memory_ends_as_it_says() {
    let attempt = handle(&guest("(drop (memory.grow (i32.const 2000)))"), spec()).await;
    assert_eq!(attempt.outcome, Outcome::Done(Vec::new()));
    assert_eq!(attempt.refused_growths, 1);
}

#[tokio::test]
async fn a_panic_after_a_refusal_in_an_earlier_attempt_is_a_panic() {
    let mut guest = guest(
        "(if (global.get $again) (then unreachable)) (global.set $again (i32.const 1))
        (drop (memory.grow (i32.const 2000)))",
    );
    guest.items = "(global $again (mut i32) (i32.const 0))".into();
    let plugin = plugin(&guest, spec());
    assert_eq!(plugin.handle(&message(), 1).await.outcome.class(), Class::Done);
    failed(&plugin.handle(&message(), 1).await, Class::Trapped, Code::TRAP_UNREACHABLE);
}

#[tokio::test]
async fn a_bound_that_the_guest_has_set_for_itself_is_no_limit_of_ours() {
    let mut grow = guest("(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))");
    grow.memory = Some("4 4".into());
    failed(&handle(&grow, spec()).await, Class::Trapped, Code::TRAP_UNREACHABLE);
}

#[tokio::test]
async fn a_result_outside_memory_is_invalid() {
    let attempt = handle(&guest(&outputs(0x7fff_0000, 1)), spec()).await;
    let failure = failed(&attempt, Class::ContractBroken, Code::INVALID_RESULT);
    assert!(failure.text.contains("out of bounds"), "{failure:?}");
}

#[tokio::test]
async fn a_result_that_is_no_case_of_its_type_is_invalid() {
    let attempt = handle(&guest("(i32.store8 (i32.const 1024) (i32.const 7))"), spec()).await;
    failed(&attempt, Class::ContractBroken, Code::INVALID_RESULT);
}

#[tokio::test]
async fn text_that_is_no_text_is_invalid() {
    let mut guest = guest(&format!(
        "(i32.store (i32.const 2048) (i32.const 4096)) (i32.store (i32.const 2052) (i32.const 1)) {}",
        outputs(2048, 1)
    ));
    guest.items = r#"(data (i32.const 4096) "\ff")"#.into();
    failed(&handle(&guest, spec()).await, Class::ContractBroken, Code::INVALID_RESULT);
}

#[tokio::test]
async fn headers_outside_memory_or_of_no_text_are_invalid() {
    // The one header is at 4096: pointer and length of name and value. At 5000 there are bytes that are not UTF-8.
    let answer = |header: [u32; 4]| {
        let words: String =
            header.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect();
        let mut guest = guest(&outputs(2048, 1));
        guest.items = format!(
            r#"(data (i32.const 2068) "\00\10\00\00\01\00\00\00") (data (i32.const 4096) "{words}")
            (data (i32.const 5000) "\ff")"#
        );
        guest
    };
    let attempt = handle(&answer([4096, 1, 5000, 1]), spec()).await;
    assert_eq!(attempt.outcome.class(), Class::Done, "{attempt:?}");
    for header in [
        [5000, 1, 4096, 1],
        [0x7fff_0000, 1, 4096, 1],
        [4096, u32::MAX, 4096, 1],
        [4096, 1, 0x7fff_0000, 1],
        [4096, 1, u32::MAX, u32::MAX],
        [4096, 1, 4 << 16, 1],
    ] {
        failed(&handle(&answer(header), spec()).await, Class::ContractBroken, Code::INVALID_RESULT);
    }
}

#[tokio::test]
async fn a_guest_may_have_its_text_in_another_encoding() {
    for encoding in ["utf8", "utf16", "latin1+utf16"] {
        let lift = r#"(canon lift (core func $main "handle")"#;
        // The reserved buffer of a text shrinks once its length is known.
        let shrink = "(if (i32.ge_u (local.get 1) (local.get 3)) (then (return (local.get 0))))";
        let echo = Guest { realloc: shrink.into(), ..echo() };
        let text = echo.text().replace(lift, &format!("{lift} string-encoding={encoding}"));
        let plugin = Plugin::load(engine(), &wat::parse_str(&text).unwrap(), spec()).unwrap();
        let mut message = message();
        let headers = [("stra\u{df}e", "a"), ("\u{1f600}", "b"), ("", "c"), ("plain", "d")];
        Arc::make_mut(&mut message.record).headers = headers.map(|(name, value)| Header::text(name, value)).into();
        let attempt = plugin.handle(&message, 1).await;
        let Outcome::Done(found) = attempt.outcome else { panic!("{encoding}: {attempt:?}") };
        assert_eq!(found[0].headers, message.record.headers, "{encoding}");
        assert_eq!((&*found[0].to, &found[0].payload), ("message-1", &message.payload), "{encoding}");
    }
}

#[tokio::test]
async fn an_attribute_that_stands_twice_is_invalid() {
    // Attributes at 4096: twice the empty name with the empty value.
    let mut guest = guest(&outputs(2048, 1));
    guest.items = r#"(data (i32.const 2076) "\00\10\00\00\02\00\00\00")"#.into();
    let attempt = handle(&guest, spec()).await;
    let failure = failed(&attempt, Class::ContractBroken, Code::INVALID_RESULT);
    assert!(failure.text.contains("more than once"), "{failure:?}");
    // The same among many attributes.
    guest.items = r#"(data (i32.const 2076) "\00\10\00\00\40\00\00\00")"#.into();
    failed(&handle(&guest, spec()).await, Class::ContractBroken, Code::INVALID_RESULT);
}

#[tokio::test]
async fn an_allocator_that_answers_nonsense_breaks_the_contract() {
    let mut guest = guest("");
    guest.realloc = "(return (i32.const -16))".into();
    failed(&handle(&guest, spec()).await, Class::ContractBroken, Code::INVALID_RESULT);
}

#[tokio::test]
async fn a_trap_after_the_answer_is_the_outcome() {
    let mut guest = guest("");
    guest.post_return = "(unreachable)".into();
    failed(&handle(&guest, spec()).await, Class::Trapped, Code::TRAP_UNREACHABLE);
}

#[tokio::test]
async fn a_trap_while_the_instance_starts_is_the_outcome() {
    let mut guest = guest("");
    guest.items = "(func $start (unreachable)) (start $start)".into();
    failed(&handle(&guest, spec()).await, Class::Trapped, Code::TRAP_UNREACHABLE);
}
