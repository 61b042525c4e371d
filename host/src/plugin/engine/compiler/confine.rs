//! Restricts the resources and the system calls of the compiler's process.
//!
//! The compiler needs memory, threads, one file to read and two to write. So it gets nothing else: it opens no files, has no
//! network, starts no program, and cannot use descriptors that the host may have left open. An exploited flaw in the
//! compiler can affect only the code that it writes, which the host runs. There is no remedy for that here: an attacker who
//! controls the compiler controls the host.

use std::collections::BTreeMap;
use std::io;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use seccompiler::SeccompCmpOp::{self, Eq};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

/// Added to the nice value, so that the compiler has a lower priority than message handling.
const NICE: i32 = 10;

/// Maximum size of the output in bytes: a multiple of the plugin's size, and a page for each of a few sections. Code is four
/// to ten times as large as its source.
pub(in crate::plugin) fn output(plugin: usize) -> u64 {
    (plugin as u64).saturating_mul(32).saturating_add(16 << 20)
}

/// Sets bounds in the kernel: it ends this process when they are exceeded, or when the host that started it has ended.
pub(super) fn bound(seconds: u64, memory: u64) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    // A failure to lower the priority is no reason to stop.
    let _ = rustix::process::getpriority_process(None)
        .and_then(|nice| rustix::process::setpriority_process(None, (nice + NICE).min(19)));
    limit(Resource::Core, 0, 0)?;
    // First a signal that names the reason, and a second later one that cannot be ignored.
    limit(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    limit(Resource::Data, memory, memory)
}

/// Closes descriptors that the host has left open. Must be called before a file is opened.
pub(super) fn close_inherited() {
    // SAFETY: nothing in this process owns a descriptor beyond the three standard ones: it has just begun, and its main
    // function has opened none. Where the kernel does not know the call, the filter keeps them from being used.
    #[allow(unsafe_code)]
    let _ = unsafe { libc::close_range(3, u32::MAX, 0) };
}

/// Limits the output from now on to [`output`] for a plugin of `plugin` bytes.
pub(super) fn bound_output(plugin: usize) -> io::Result<()> {
    let output = output(plugin);
    limit(Resource::Fsize, output, output)
}

/// Fails if the process has another thread, which [`shut_in`] would not restrict. Without `/proc` this is not checked.
pub(super) fn expect_one_thread() -> io::Result<()> {
    match std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count) {
        1 => Ok(()),
        threads => Err(io::Error::other(format!("the process has {threads} threads; expected 1"))),
    }
}

/// Restricts this thread, and those that it starts, to the system calls that compiling needs.
pub(super) fn shut_in() -> io::Result<()> {
    let filter = filter().map_err(io::Error::other)?;
    apply_filter(&filter).map_err(io::Error::other)
}

fn limit(resource: Resource, current: u64, most: u64) -> io::Result<()> {
    let before = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let bound = Rlimit { current: Some(current.min(before)), maximum: Some(most.min(before)) };
    Ok(setrlimit(resource, bound)?)
}

/// A condition for an argument: its position, the comparison, and the value.
type Condition = (u8, SeccompCmpOp, u64);

/// System calls that are not listed fail with EPERM, as in a container that forbids them.
fn filter() -> Result<BpfProgram, BackendError> {
    const EXECUTABLE: SeccompCmpOp = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    const NO_DESCRIPTOR: u64 = u32::MAX as u64;
    let own = std::process::id().into();
    // Conditions on arguments; one of the alternatives must hold.
    let conditional: [(i64, &[&[Condition]]); 6] = [
        (libc::SYS_read, &[&[(0, Eq, 0)]]),
        (libc::SYS_write, &[&[(0, Eq, 1)], &[(0, Eq, 2)]]),
        (libc::SYS_mmap, &[&[(4, Eq, NO_DESCRIPTOR), (2, EXECUTABLE, 0)]]),
        (libc::SYS_mprotect, &[&[(2, EXECUTABLE, 0)]]),
        (libc::SYS_prctl, &[&[(0, Eq, libc::PR_SET_NAME as u64)], &[(0, Eq, libc::PR_SET_VMA as u64)]]),
        // A process ends itself with this call.
        (libc::SYS_tgkill, &[&[(0, Eq, own)]]),
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    for (call, lines) in conditional {
        let line = |conditions: &&[Condition]| {
            let conditions = conditions.iter().map(|(argument, operator, value)| {
                SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
            });
            SeccompRule::new(conditions.collect::<Result<_, _>>()?)
        };
        rules.insert(call, lines.iter().map(line).collect::<Result<_, _>>()?);
    }
    let forbidden = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, forbidden, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Memory, threads, clocks, signals to itself, and information about itself.
const ALLOWED: [i64; 27] = [
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_uname,
];

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_with_another_thread_is_not_shut_in() {
        // A test runs on a thread of its own.
        let error = expect_one_thread().unwrap_err().to_string();
        assert!(error.ends_with("threads; expected 1"), "{error}");
    }

    #[test]
    fn who_is_shut_in_has_neither_files_nor_network_nor_programs_nor_what_it_has_inherited() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut inherited) = (folder.path().join("new"), tempfile::tempfile().unwrap());
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // The filter applies to one thread and ends with it.
        let shut_in = move || {
            shut_in().unwrap();
            let is_forbidden = |what: &str, error: io::Error| {
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{what}: {error}");
            };
            is_forbidden("open", File::open("/etc/passwd").unwrap_err());
            is_forbidden("create", File::create(&path).unwrap_err());
            is_forbidden("remove", std::fs::remove_file("/etc/passwd").unwrap_err());
            is_forbidden("connect", TcpStream::connect(address).unwrap_err());
            is_forbidden("listen", TcpListener::bind("127.0.0.1:0").unwrap_err());
            is_forbidden("bind", UdpSocket::bind("127.0.0.1:0").unwrap_err());
            is_forbidden("start", Command::new("/bin/true").spawn().unwrap_err());
            is_forbidden("write", inherited.write_all(b"x").unwrap_err());
            // Memory and threads are allowed.
            let large = vec![1_u8; 64 << 20];
            assert_eq!(std::thread::spawn(move || large.len()).join().unwrap(), 64 << 20);
        };
        std::thread::spawn(shut_in).join().unwrap();
    }
}
