//! Child processes that end with the test process, even if it crashes.

use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, mpsc};

type Request = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts the command; the kernel kills the child when the test process ends.
///
/// # Errors
/// The errors of [`Command::spawn`].
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    // The kernel watches the *thread* that started the child, and the thread of a test ends with the test. So one
    // thread that lives as long as the process starts all children.
    static SPAWNER: OnceLock<Mutex<mpsc::SyncSender<Request>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = mpsc::sync_channel::<Request>(16);
        std::thread::spawn(move || {
            for (command, reply) in inbox {
                // The caller waits for its child, unless it panicked.
                let _ = reply.send(spawn_here(command));
            }
        });
        Mutex::new(requests)
    });
    let (reply, answer) = mpsc::sync_channel(1);
    let spawner = spawner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    spawner.send((command, reply)).expect("the spawning thread lives as long as the process");
    answer.recv().expect("every request is answered")
}

#[cfg(target_os = "linux")]
fn spawn_here(mut command: Command) -> io::Result<Child> {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only this one system call is made; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
    command.spawn()
}

#[cfg(not(target_os = "linux"))]
fn spawn_here(mut command: Command) -> io::Result<Child> {
    command.spawn()
}
