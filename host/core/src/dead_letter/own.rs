//! Header names that only the host writes into a dead letter.
//!
//! A producer decides over the headers of an original, and a letter carries them. So in every letter, bare or with
//! reasons, a header of the original that is called `cofferdam-dlq...` gets a `_` in front of its name, and so does one
//! that has such already; reading the letter takes one away. What is left under the plain name is from the host, and
//! an original cannot forge it. Letter case is ignored, because readers do.

use serde_json::{Map, Value};

use super::{FOLDED, PREFIX};
use crate::message::{Header, Headers};
use crate::output::Layout;

/// In a letter without reasons whose original has such names: says that they were renamed. Other letters need no mark.
pub(super) const BARE: &str = "bare";

const HIDDEN: u8 = b'_';

/// The headers of an original as a letter carries them; `None` where that is as they are.
pub(super) fn hide(headers: &Headers) -> Option<Headers> {
    if !headers.iter().any(|header| is_reserved(header.name)) {
        return None;
    }
    let mut hidden = Headers::with_capacity(headers.len() + 1, headers.size());
    let mut name = Vec::new();
    for header in headers.iter() {
        name.clear();
        if is_reserved(header.name) {
            name.push(HIDDEN);
        }
        name.extend_from_slice(header.name);
        hidden.push(Header { name: &name, ..header });
    }
    Some(hidden)
}

/// Gives the headers of a letter of the host the names back that they had in the original.
pub(super) fn reveal(headers: &mut Headers) {
    if headers.iter().any(|header| revealed(header.name) != header.name) {
        *headers = headers.iter().map(|header| Header { name: revealed(header.name), ..header }).collect();
    }
}

fn revealed(name: &[u8]) -> &[u8] {
    name.strip_prefix(&[HIDDEN]).filter(|_| is_reserved(name)).unwrap_or(name)
}

/// Marks a letter without reasons.
pub(super) fn mark_bare(layout: Layout, headers: &mut Headers) {
    match layout {
        Layout::Record => headers.push(Header::text(&format!("{PREFIX}{BARE}"), "true")),
        Layout::Attributes => headers.push(Header::text(FOLDED, &format!("{{\"{BARE}\":true}}"))),
    }
}

/// Takes out what the host wrote into a letter of this layout.
pub(super) fn take(layout: Layout, headers: &mut Headers) -> Option<Map<String, Value>> {
    match layout {
        Layout::Record => take_headers(headers),
        Layout::Attributes => take_folded(headers),
    }
}

/// Header by header, without [`PREFIX`].
fn take_headers(headers: &mut Headers) -> Option<Map<String, Value>> {
    let mut parts = Map::new();
    headers.retain(|header| {
        let name = std::str::from_utf8(header.name).ok().and_then(|name| name.strip_prefix(PREFIX));
        let (Some(name), Some(value)) = (name, header.value) else { return true };
        parts.insert(name.to_owned(), String::from_utf8_lossy(value).into());
        false
    });
    (!parts.is_empty()).then_some(parts)
}

/// The attribute [`FOLDED`].
fn take_folded(headers: &mut Headers) -> Option<Map<String, Value>> {
    let is_ours = |header: &Header<'_>| header.name == FOLDED.as_bytes();
    let parts = serde_json::from_slice(headers.iter().find(is_ours)?.value?).ok()?;
    let mut found = false;
    headers.retain(|header| !is_ours(header) || std::mem::replace(&mut found, true));
    Some(parts)
}

fn is_reserved(name: &[u8]) -> bool {
    let start = name.iter().position(|byte| *byte != HIDDEN).unwrap_or(name.len());
    name[start..].get(..FOLDED.len()).is_some_and(|start| start.eq_ignore_ascii_case(FOLDED.as_bytes()))
}

#[cfg(test)]
mod tests {
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
            assert_eq!(hide(&headers(&["a", name])), Some(headers(&["a", hidden])));
            let mut revealed = headers(&["a", hidden]);
            reveal(&mut revealed);
            assert_eq!(revealed, headers(&["a", name]));
        }
        for other in ["", "_", "cofferdam-replay", "x-cofferdam-dlq-outcome", "-_cofferdam-dlq"] {
            assert_eq!(hide(&headers(&[other])), None, "{other:?}");
        }
    }
}
