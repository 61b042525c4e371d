//! The binary: parses the command line and returns the exit code.

use std::ptr;

use cofferdam::cli;
use cofferdam::exit::Exit;

/// The memory of a message is allocated by one thread and freed by another, which is expensive with the allocator of glibc.
/// librdkafka uses this allocator, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Exit {
    cli::main(give_free_memory_back)
}

/// Starts the allocator threads that return free memory to the system. Without them memory is returned only during
/// allocations, so a host would keep the memory of a burst of large messages for hours.
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
    // Without these threads the host works, but uses more memory.
    debug_assert_eq!(failed, 0, "jemalloc takes it where it was built with threads");
}
