//! Escapes foreign text for display: no character controls the terminal, hides text, or changes its order.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Returns whether a character is not visible as itself: control characters (C0, C1, DEL), line separators, marks that
/// change the direction of text, and characters without width (Unicode: Cc, Zl, Zp, and those of Cf without a shape).
pub(crate) fn is_hidden(character: char) -> bool {
    // The most frequent case.
    if matches!(character, ' '..='~') {
        return false;
    }
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
                | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// One line of text. Hidden characters become escapes such as `\n` or `\u{202e}`.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| is_hidden(*character)) {
            f.write_str(&rest[..at])?;
            fmt::Display::fmt(&character.escape_default(), f)?;
            rest = &rest[at + character.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// Escapes hidden characters except line breaks and tabs.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    replaced(
        text,
        |character| is_hidden(character) && !matches!(character, '\n' | '\t'),
        |text, character| write!(text, "{}", character.escape_default()),
    )
}

/// Escapes hidden characters of JSON so that its meaning stays. ASCII is not changed: in strings it is already escaped.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    replaced(
        text,
        |character| !character.is_ascii() && is_hidden(character),
        |text, character| character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(text, "\\u{unit:04x}")),
    )
}

/// Escapes hidden characters of lines that the host may have coloured. Of the terminal sequences only those of its own
/// formatter stay.
pub(crate) fn coloured(text: &str) -> Cow<'_, str> {
    let is_wanted = |character| is_hidden(character) && !matches!(character, '\n' | '\t');
    if !text.chars().any(is_wanted) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = colour(rest).unwrap_or(character.len_utf8());
        let (first, behind) = rest.split_at(length);
        match is_wanted(character) && length == character.len_utf8() {
            true => shown.extend(character.escape_default()),
            false => shown.push_str(first),
        }
        rest = behind;
    }
    Cow::Owned(shown)
}

/// Returns the length of the sequence at the beginning if the log formatter writes it: reset, bold, dim, italic, or a
/// colour.
fn colour(text: &str) -> Option<usize> {
    let (code, _) = text.strip_prefix("\u{1b}[")?.split_once('m')?;
    let known = matches!(code, "0" | "1" | "2" | "3" | "31" | "32" | "33" | "34" | "35");
    known.then_some("\u{1b}[".len() + code.len() + 1)
}

fn replaced(
    text: &str,
    is_wanted: impl Fn(char) -> bool,
    write: impl Fn(&mut String, char) -> fmt::Result,
) -> Cow<'_, str> {
    if !text.chars().any(&is_wanted) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_wanted(character) {
            write(&mut shown, character).expect("a string takes all text");
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_hides_or_turns_what_is_read() {
        let hidden = "\0\u{1b}\u{7f}\u{9b}\u{ad}\u{61c}\u{200b}\u{200d}\u{200f}\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}";
        for character in hidden.chars() {
            let text = format!("a{character}b");
            for shown in [Escaped(&text).to_string(), lines(&text).into_owned()] {
                assert_eq!(shown, format!("a{}b", character.escape_default()));
            }
            let written = json(&serde_json::to_string(&text).expect("a text is JSON")).into_owned();
            assert!(written.chars().all(|character| character == '\u{7f}' || !is_hidden(character)), "{written}");
            assert_eq!(serde_json::from_str::<String>(&written).expect("it is JSON still"), text);
        }
        assert_eq!(Escaped("a\nb\tc").to_string(), "a\\nb\\tc");
        assert_eq!(lines("a\nb\tc\rd"), "a\nb\tc\\rd");
        assert_eq!(coloured("\u{1b}[31mred\u{1b}[0m\u{202e}"), "\u{1b}[31mred\u{1b}[0m\\u{202e}");
    }

    #[test]
    fn text_in_any_script_stays() {
        for text in ["Köln", "नमस्ते", "สวัสดี", "שלום", "e\u{301}", "🚢", "a\u{fe0f}"] {
            assert_eq!(Escaped(text).to_string(), text);
            assert!(matches!((lines(text), json(text)), (Cow::Borrowed(_), Cow::Borrowed(_))));
        }
    }
}
