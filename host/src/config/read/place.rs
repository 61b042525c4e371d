//! Places in the file.

/// The place of a key or a value in the file.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct At {
    /// Offset in bytes from the start of the text.
    pub(super) offset: usize,
    /// The path of the key: `routes[0].retry.max_attempts`.
    pub(super) key: String,
}

impl At {
    /// The place of `key` inside the table at this place.
    pub(super) fn inside(&self, key: &str, offset: usize) -> Self {
        let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let key = if bare { key.to_owned() } else { format!("{key:?}") };
        let key = if self.key.is_empty() { key } else { format!("{}.{key}", self.key) };
        Self { offset, key }
    }

    /// The place of element `index` of the list at this place.
    pub(super) fn element(&self, index: usize, offset: usize) -> Self {
        Self { offset, key: format!("{}[{index}]", self.key) }
    }
}

/// Line and column of a byte offset in `text`, both from 1; columns are characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, 1 + before[start..].chars().count())
}

/// Replaces indices: `routes[].retry` for `routes[3].retry`.
#[cfg(test)]
pub(super) fn without_indices(key: &str) -> String {
    let mut short = String::new();
    let mut inside = false;
    for character in key.chars() {
        inside = inside && character != ']';
        if !inside {
            short.push(character);
        }
        inside = inside || character == '[';
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_from_one() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\nüx", 4), (2, 2));
        assert_eq!(position("ü", 1), (1, 1));
        assert_eq!(position("a\n", 99), (2, 1));
    }

    #[test]
    fn keys_that_are_not_bare_are_quoted() {
        let at = At::default().inside("plugins", 0).inside("a b", 0).inside("x.y", 0).element(2, 0);
        assert_eq!(at.key, r#"plugins."a b"."x.y"[2]"#);
        assert_eq!(without_indices("a[12].b[3]"), "a[].b[]");
    }
}
