//! Names as compilers mangle them, and malicious names.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::thread_time;

#[test]
fn names_are_those_of_the_source() {
    for (mangled, name) in
        [("_ZN5probe6handle17h0123456789abcdefE", "probe::handle"), ("_RNvCs1234_5probe6handle", "probe::handle")]
    {
        assert_eq!(from_rust(mangled).as_deref(), Some(name));
    }
    for (mangled, name) in [
        ("_ZN5Price6handleERKSs", "Price::handle(std::string const&)"),
        ("_ZSt4swapIiEvRT_S1_", "void std::swap<int>(int&, int&)"),
    ] {
        assert_eq!((from_rust(mangled), from_cpp(mangled).as_deref()), (None, Some(name)));
    }
    for name in ["handle", "_Zebra", ""] {
        assert_eq!((from_rust(name), from_cpp(name)), (None, None));
    }
}

#[test]
fn a_long_name_is_cut() {
    // Each template argument is the pair of the previous one with itself: 2 to the power of 40 in the end.
    let pairs: String = (0..40).map(|number| if number == 0 { "S_".into() } else { format!("S{number}_") }).collect();
    for name in [
        format!("_ZN{}E", "4name".repeat(1000)),
        format!("_Z1f1A{pairs}"),
        format!("_RINvC1a1f{}E", "T".repeat(4000)),
        format!("_RNv{}C1a1f", "B_".repeat(1000)),
    ] {
        let shown = from_rust(&name).or_else(|| from_cpp(&name));
        assert!(shown.is_none_or(|shown| !shown.is_empty() && shown.len() <= NAME), "{name}");
    }
    assert_eq!((from_rust(&"_ZN".repeat(2 << 10)), from_cpp(&"_ZN".repeat(2 << 10))), (None, None));
}

/// Pieces of mangled Rust names: paths, impls, generics, back-references, constants, binders, identifiers.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "N",
        "v",
        "t",
        "C",
        "1a",
        "I",
        "E",
        "M",
        "X",
        "Y",
        "B_",
        "B0_",
        "B1_",
        "B2_",
        "Ba_",
        "s_",
        "u",
        "T",
        "R",
        "L_",
        "L0_",
        "F",
        "D",
        "G_",
        "Gzzzzzz_",
        "K",
        "j",
        "p",
        "h1_",
        "e",
        "A",
        "S",
        "u3gdz",
        "5_name",
        "_Z",
        "$LT$",
        "..",
        "17h0123456789abcdef",
        "p0",
        "U",
        "y",
        "HA1_",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(Into::into)
}

/// Time limit for the longest name in a build that is not optimised.
const LIMIT: Duration = Duration::from_millis(200);

/// Returns how long demangling the name takes.
fn took(name: &str) -> Duration {
    let started = thread_time();
    let shown = from_rust(name);
    let took = thread_time() - started;
    assert!(shown.is_none_or(|shown| shown.len() <= NAME));
    took
}

#[test]
fn the_time_that_a_rust_name_takes_is_bounded() {
    let repeated = |head: &str, piece: &str, tail: &str| {
        format!("{head}{}{tail}", piece.repeat((MANGLED - head.len() - tail.len()) / piece.len()))
    };
    // Tuples of references to the previous tuple; generics; binders; lists; a punycode identifier; nested paths.
    let doubled: String = (0..500).map(|at| format!("TB{}_B{}_E", at % 60, at % 36)).collect();
    for name in [
        format!("_RINvC1a1f{doubled}E"),
        repeated("_RINvC1a1f", "TTEB8_", "E"),
        repeated("_RINvC1a1f", "FG_", "E"),
        repeated("_RINvC1a1f", "Gzzzzzzzzz_", "E"),
        repeated("_RINvC1a1f", "MC1a", "E"),
        repeated("_RINvC1a1f", "YB_", "E"),
        repeated("_RNvC1au3999", "a", "_b"),
        repeated("_RN", "Nv", "C1a1f"),
        repeated("_ZN", "1a", "17h0123456789abcdefE"),
        repeated("_ZN", "4$LT$", "17h0123456789abcdefE"),
        repeated("_RINvC1a1f", "K", "E"),
        repeated("_RINvC1a1f", "DL_", "E"),
    ] {
        let took = took(&name);
        assert!(took < LIMIT, "{took:?}: {name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_rust_name_takes_long(
        pieces in prop::collection::vec(piece(), 1..40),
        repeat in 1..200_usize,
        legacy in any::<bool>(),
    ) {
        let mut name = format!("{}{}", if legacy { "_ZN" } else { "_RINvC1a1f" }, pieces.concat().repeat(repeat));
        name.truncate(MANGLED);
        let took = took(&name);
        prop_assert!(took < LIMIT, "{took:?}: {name}");
    }
}
