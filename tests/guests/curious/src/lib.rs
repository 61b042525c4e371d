//! Looks for files, network, environment, arguments, standard input, threads and processes with nothing but the standard
//! library, and tells what it found.

use std::fs;
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Instant, SystemTime};

use cofferdam_sdk::{Failure, Message, Output, handler};
use serde_json::{Map, Value, json};

/// Answers with one output: what each try came to, by name, `{"error": ...}` or `{"data": ...}`.
///
/// # Errors
/// Never.
pub fn handle(_message: Message) -> Result<Vec<Output>, Failure> {
    let mut found = Map::new();
    let mut tried = |name: &str, result: io::Result<String>| {
        let found_here = match result {
            Ok(data) => json!({ "data": data }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        found.insert(name.to_owned(), found_here);
    };
    tried("read a file", fs::read_to_string("/etc/passwd"));
    tried("read a file here", fs::read_to_string("Cargo.toml"));
    tried("read a file above", fs::read_to_string("../../etc/passwd"));
    tried("read a process", fs::read_to_string("/proc/self/environ"));
    tried("read a device", fs::File::open("/dev/urandom").map(|_| "open".to_owned()));
    tried("write a file", fs::write("/tmp/curious", "was here").map(|()| "written".to_owned()));
    tried("remove a file", fs::remove_file("/tmp/curious").map(|()| "removed".to_owned()));
    tried("make a folder", fs::create_dir_all("/tmp/curious.d").map(|()| "made".to_owned()));
    tried("list the root", fs::read_dir("/").map(|entries| entries.count().to_string()));
    tried("list this folder", fs::read_dir(".").map(|entries| entries.count().to_string()));
    tried("ask for a folder", fs::metadata("/").map(|_| "there".to_owned()));
    tried("follow a link", fs::canonicalize("/proc/self").map(|path| path.display().to_string()));
    tried("connect", TcpStream::connect("127.0.0.1:22").map(|_| "connected".to_owned()));
    tried("connect by name", TcpStream::connect("localhost:22").map(|_| "connected".to_owned()));
    tried("listen", TcpListener::bind("0.0.0.0:0").map(|_| "listening".to_owned()));
    tried("bind udp", UdpSocket::bind("0.0.0.0:0").map(|_| "bound".to_owned()));
    tried("resolve a name", ("localhost", 80).to_socket_addrs().map(|addresses| addresses.count().to_string()));
    tried("start a thread", thread::Builder::new().spawn(|| ()).map(|_| "started".to_owned()));
    tried("start a process", Command::new("/bin/sh").arg("-c").arg("id").output().map(|_| "started".to_owned()));
    tried("find itself", std::env::current_exe().map(|path| path.display().to_string()));

    found.insert("standard input".into(), standard_input());
    found.insert("variables".into(), std::env::vars_os().count().into());
    found.insert("arguments".into(), std::env::args_os().count().into());
    found.insert("monotonic clock".into(), monotonic_clock());
    found.insert("wall clock".into(), wall_clock());
    let payload = Value::Object(found).to_string();
    Ok(vec![Output::new("out", payload)])
}

/// What there is to read: nothing, or an error.
fn standard_input() -> Value {
    let mut input = Vec::new();
    match io::stdin().read_to_end(&mut input) {
        Ok(_) => json!({ "bytes": input.len() }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// Readings of one clock: how many, how many different ones, and the shortest step between those, nanoseconds.
fn steps(mut now: impl FnMut() -> u128) -> Value {
    const READINGS: usize = 20_000;
    let (mut last, mut shortest, mut different, mut uneven) = (now(), u128::MAX, 0, 0);
    let mut readings = 0;
    while readings < READINGS && different < 20 {
        readings += 1;
        let reading = now();
        uneven += usize::from(!reading.is_multiple_of(1_000_000));
        if reading != last {
            different += 1;
            shortest = shortest.min(reading.abs_diff(last));
            last = reading;
        }
    }
    json!({ "readings": readings, "different": different, "shortest": shortest as u64, "uneven": uneven })
}

fn monotonic_clock() -> Value {
    let start = Instant::now();
    steps(|| start.elapsed().as_nanos())
}

fn wall_clock() -> Value {
    steps(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos())
}

handler!(handle);
