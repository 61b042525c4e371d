//! Harm as ordinary Rust code does it, by accident or not; which, the message says.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use cofferdam_sdk::{Failure, Message, Output, handler};

/// Does what the message says.
///
/// # Errors
/// Never: what goes wrong goes wrong in other ways.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let payload = message.payload.clone().unwrap_or_default();
    match &*String::from_utf8_lossy(&payload) {
        "panic" => panic!("as asked, with \u{1b}[2J in it"),
        "panic-in-drop" => panic_in_drop(),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        "recursion" => drop(black_box(deeper(1))),
        "allocation" => hoard(),
        "one-allocation" => drop(black_box(vec![1_u8; 1 << 30])),
        "thread" => drop(std::thread::spawn(|| ()).join()),
        "sleep" => std::thread::sleep(Duration::from_secs(3600)),
        "lines" => lines(),
        "index" => drop(black_box([1, 2, 3][payload.len()])),
        "regret" => return Ok((0..1000).map(|_| Output::copy_of(message.clone(), "out")).collect()),
        _ => {}
    }
    Ok(Vec::new())
}

fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == 0 { 0 } else { deeper(depth + 1) + frame[3] }
}

fn hoard() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 100_000]));
    }
}

fn lines() {
    let mut out = std::io::stdout().lock();
    loop {
        // The host takes what it likes; it never says no.
        let _ = writeln!(out, "\u{1b}[31mall is well\u{202e}");
        let _ = out.flush();
    }
}

fn panic_in_drop() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("while it panics");
        }
    }
    let _bomb = Bomb;
    panic!("first");
}

handler!(handle);
