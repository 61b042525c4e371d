//! The binary: parses the command line and says how it ended.

use cofferdam::cli;
use cofferdam::exit::Exit;

/// What a message consists of is allocated by one thread and freed by another, which glibc's allocator makes dear; librdkafka
/// uses this one too. It takes a quarter of the processor time off a message from Kafka to Kafka.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Exit {
    cli::main()
}
