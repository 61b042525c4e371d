//! Finds known names that resemble an unknown one, for remedies.

/// The least similarity, from 0 to 1, at which one name is suggested for another.
const ALIKE: f64 = 0.8;

/// Returns `did you mean ...?` with the most similar name, or all known names.
pub(in crate::config) fn suggest(given: &str, known: &[&str]) -> String {
    match nearest(&given.replace('-', "_"), known.iter().copied()) {
        Some(best) => format!("did you mean {best:?}?"),
        None if known.len() == 1 => format!("expected {}", known[0]),
        None => format!("expected one of {}", known.join(", ")),
    }
}

/// Returns all allowed words, and the one that `given` resembles, if any.
pub(super) fn one_of(given: &str, words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let all = format!("expected one of {}", quoted.join(", "));
    match nearest(&given.replace([' ', '-'], "_"), words.iter().copied()) {
        Some(best) => format!("{all}; did you mean {best:?}?"),
        None => all,
    }
}

/// Returns the known name that most resembles `given`, if one is similar enough.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let score = |known: &str| {
        let score = strsim::jaro_winkler(&given, known).max(strsim::normalized_damerau_levenshtein(&given, known));
        // In a short name, one typo is a large part: `scr`.
        let one_slip = known.len() >= 3 && strsim::damerau_levenshtein(&given, known) == 1;
        if one_slip { score.max(ALIKE) } else { score }
    };
    let best = known.into_iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) >= ALIKE).then_some(best)
}
