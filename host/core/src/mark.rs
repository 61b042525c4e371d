//! Marks the commits of transactions, so that a host recognises its own commit when the broker's answer is lost.
//!
//! Another host may commit the same offset of the same partition, so an equal offset proves nothing. The mark does: it is
//! text behind the rest of the metadata, `~` and 16 bytes in base64 (URL alphabet, no padding): the writer's number, which
//! no other machine has, and the number of its transaction.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// Starts the mark. The metadata before it never contains this character.
const SIGN: char = '~';

/// Identifies one transaction of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    writer: u64,
    number: u64,
}

impl Mark {
    /// Size of a mark in the metadata, in bytes.
    pub const LENGTH: usize = 1 + 22;

    /// The mark of transaction `number` of the machine `writer`.
    pub fn new(writer: u64, number: u64) -> Self {
        Self { writer, number }
    }

    /// Appends the mark to the metadata.
    pub fn sign(self, metadata: &str) -> Box<str> {
        let bytes = [self.writer.to_be_bytes(), self.number.to_be_bytes()].concat();
        format!("{metadata}{SIGN}{}", BASE64.encode(bytes)).into()
    }

    /// Splits metadata into the part before the mark, and the mark, if there is one.
    pub fn split(metadata: &str) -> (&str, Option<Self>) {
        let read = || {
            let (rest, text) = metadata.rsplit_once(SIGN)?;
            let bytes: [u8; 16] = BASE64.decode(text).ok()?.try_into().ok()?;
            let number = u128::from_be_bytes(bytes);
            Some((rest, Self::new((number >> 64) as u64, number as u64)))
        };
        read().map_or((metadata, None), |(rest, mark)| (rest, Some(mark)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mark_comes_back_and_so_does_what_it_stands_behind(text in ".{0,40}", writer: u64, number: u64) {
            let signed = Mark::new(writer, number).sign(&text);
            prop_assert_eq!(signed.len(), text.len() + Mark::LENGTH);
            prop_assert_eq!(Mark::split(&signed), (&*text, Some(Mark::new(writer, number))));
        }
    }

    #[test]
    fn what_is_no_mark_stays_with_the_metadata() {
        for text in ["", "cf1:AAAA", "~", "cf1:AAAA~", "~AAAA", "cf1:~AAAAAAAAAAAAAAAAAAAAA!"] {
            assert_eq!(Mark::split(text), (text, None));
        }
    }
}
