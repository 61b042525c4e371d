//! How deep components stand inside each other: the compiler's work grows with the square of it, and 240 KB can be
//! twenty thousand deep.

use wasmparser::{Parser, Payload};

use super::refusal::{DEPTH, Refusal};

/// Refuses what is deeper than [`DEPTH`]. What cannot be read is left to the compiler, which says why.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match payload {
            Payload::Version { .. } if depth == DEPTH => return Err(Refusal::TooDeep),
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}
