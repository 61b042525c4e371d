//! Header names that only the host writes into a dead letter.
//!
//! A producer decides over the headers of an original, and a letter carries them. So in every letter, bare or with
//! reasons, a header of the original whose name the profile reserves (`cofferdam-dlq...`) gets a `_` in front of its name,
//! and so does one that has such already; reading the letter takes one away. What is left under the plain name is from the host, and
//! an original cannot forge it. Letter case is ignored, because readers do.

use super::profile::Profile;
use crate::message::{Header, Headers};

const HIDDEN: u8 = b'_';

/// The headers of an original as a letter carries them; `None` where that is as they are.
pub(super) fn hide(profile: &dyn Profile, headers: &Headers) -> Option<Headers> {
    if !headers.iter().any(|header| is_reserved(profile, header.name)) {
        return None;
    }
    let mut hidden = Headers::with_capacity(headers.len() + 1, headers.size());
    let mut name = Vec::new();
    for header in headers.iter() {
        name.clear();
        if is_reserved(profile, header.name) {
            name.push(HIDDEN);
        }
        name.extend_from_slice(header.name);
        hidden.push(Header { name: &name, ..header });
    }
    Some(hidden)
}

/// Gives the headers of a letter of the host the names back that they had in the original.
pub(super) fn reveal(profile: &dyn Profile, headers: &mut Headers) {
    if headers.iter().any(|header| revealed(profile, header.name) != header.name) {
        *headers = headers.iter().map(|header| Header { name: revealed(profile, header.name), ..header }).collect();
    }
}

fn revealed<'a>(profile: &dyn Profile, name: &'a [u8]) -> &'a [u8] {
    name.strip_prefix(&[HIDDEN]).filter(|_| is_reserved(profile, name)).unwrap_or(name)
}

/// Whether the name is one of the host, or was renamed already.
fn is_reserved(profile: &dyn Profile, name: &[u8]) -> bool {
    let start = name.iter().position(|byte| *byte != HIDDEN).unwrap_or(name.len());
    profile.is_reserved(&name[start..])
}

#[cfg(test)]
mod tests {
    use super::super::PROFILE;
    use super::*;

    fn headers(names: &[&str]) -> Headers {
        names.iter().map(|name| Header::text(name, "x")).collect()
    }

    #[test]
    fn only_names_of_the_host_are_hidden_and_those_that_are_hidden_already() {
        for (name, hidden) in [
            ("cofferdam-dlq", "_cofferdam-dlq"),
            ("cofferdam-dlq-outcome", "_cofferdam-dlq-outcome"),
            ("Cofferdam-DLQ-Receipt", "_Cofferdam-DLQ-Receipt"),
            ("_cofferdam-dlq-bare", "__cofferdam-dlq-bare"),
            ("cofferdam-dlqx", "_cofferdam-dlqx"),
        ] {
            assert_eq!(hide(PROFILE, &headers(&["a", name])), Some(headers(&["a", hidden])));
            let mut revealed = headers(&["a", hidden]);
            reveal(PROFILE, &mut revealed);
            assert_eq!(revealed, headers(&["a", name]));
        }
        for other in ["", "_", "cofferdam-replay", "x-cofferdam-dlq-outcome", "-_cofferdam-dlq"] {
            assert_eq!(hide(PROFILE, &headers(&[other])), None, "{other:?}");
        }
    }
}
