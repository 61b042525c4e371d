//! Tests with arbitrary text.

use proptest::prelude::*;

use super::{LEAST, parse};

fn fragment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "[",
            "]",
            "[[",
            "]]",
            "{",
            "}",
            "\"",
            "'",
            "\"\"\"",
            "=",
            ".",
            ",",
            "\n",
            " ",
            "#",
            "\\u",
            "${",
            "$${",
            ":-",
            "-",
            "routes",
            "plugins",
            "service",
            "outputs",
            "from",
            "kafka",
            "sqs",
            "limits",
            "name",
            "a",
            "\u{e9}",
            "\u{feff}",
            "\r",
            "1",
            "1.5",
            "inf",
            "nan",
            "true",
            "1979-05-27",
            "0x",
            "\"30s\"",
            "\"^a.*\"",
            "{ sqs = \"a\" }",
            "[[routes]]\n",
            "[plugins.a]\n",
            "[routes.outputs]\n",
            "x = { kafka = \"a\", key = \"{b}\" }\n",
            "envelope = \"json\"\n",
        ][..],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_of_any_kind_is_refused_without_a_panic(text in "\\PC*|(?s).*") {
        // Generated text never has a service, a plugin and a route.
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn pieces_of_a_configuration_in_any_order_never_panic(pieces in prop::collection::vec(fragment(), 0..40)) {
        if let Err(errors) = parse(&pieces.concat()) {
            prop_assert!(!errors.problems().is_empty());
        }
    }

    #[test]
    fn a_configuration_that_was_cut_or_overwritten_never_panics(
        at in 0..LEAST.len(),
        length in 0..20usize,
        piece in fragment(),
    ) {
        let end = (at + length).min(LEAST.len());
        let text = format!("{}{piece}{}", &LEAST[..at], &LEAST[end..]);
        if let Err(errors) = parse(&text) {
            for problem in errors.problems() {
                prop_assert!(problem.line >= 1 && problem.line <= text.lines().count() + 1, "{problem}");
            }
        }
    }
}
