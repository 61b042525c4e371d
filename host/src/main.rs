//! The binary: parses the command line and says how it ended.

use cofferdam::cli;
use cofferdam::exit::Exit;

fn main() -> Exit {
    cli::main()
}
