//! Limits the nesting of components. The compiler's work grows with the square of the depth, and 240 KB can be twenty
//! thousand levels deep.

use wasmparser::{Parser, Payload};

use super::refusal::{DEPTH, Refusal};

/// Refuses components nested deeper than [`DEPTH`]. If the bytes cannot be parsed, the compiler reports the reason.
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
