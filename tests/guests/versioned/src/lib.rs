//! An echo that says which version of it spoke: in the header `version` what stands behind `VERSION:` in the file, which
//! a test changes there as a compiler would; in the header `greeting` what its configuration says.

use cofferdam_sdk::{Failure, Message, Output, config, handler};

handler!(handle);

/// Eight digits follow the colon.
static VERSION: [u8; 16] = *b"VERSION:00000000";

/// Copies the message to the output `out`.
///
/// # Errors
/// Where the configuration cannot be asked.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    // As if somebody might change it: the compiler is to leave it where it is.
    let version = std::hint::black_box(VERSION);
    let greeting = config::get("greeting")?.unwrap_or_default();
    Ok(vec![Output::copy_of(message, "out").header("version", &version[8..]).header("greeting", greeting)])
}
