//! The binary: parses the command line and returns the exit code.

use std::ptr;

use cofferdam::cli;
use cofferdam::exit::Exit;

/// What a message consists of is allocated by one thread and freed by another, which glibc's allocator makes dear; librdkafka
/// uses this one too. It takes a quarter of the processor time off a message from Kafka to Kafka.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Exit {
    cli::main(give_free_memory_back)
}

/// Starts the threads of the allocator that give free memory back to the system. Without them it goes back only while somebody
/// allocates, and a host keeps for hours what a burst of large messages took.
fn give_free_memory_back() {
    let mut on = true;
    // SAFETY: the name is a C string, `background_thread` takes a `bool`, and nothing is read of the old value. See
    // jemalloc(3).
    #[allow(unsafe_code)]
    let failed = unsafe {
        tikv_jemalloc_sys::mallctl(
            c"background_thread".as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::from_mut(&mut on).cast(),
            size_of::<bool>(),
        )
    };
    // Where it has none, the host works as well and takes more memory.
    debug_assert_eq!(failed, 0, "jemalloc takes it where it was built with threads");
}
