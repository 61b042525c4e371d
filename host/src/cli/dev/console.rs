//! Commands on standard input, one per line, from a terminal or a pipe.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::Arc;

use cofferdam_core::command;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::input::{self, Input};
use super::recent::Recent;
use super::waiting::Waiting;
use crate::config::Config;
use crate::control::RouteHandle;
use crate::exit::Problem;
use crate::sink::Sinks;

/// Printed at the start.
pub(super) const HINT: &str = "h lists the commands";
pub(super) const PAUSED: &str = "paused: Enter handles the next message, c continues, h lists the commands";

const HELP: &str = "\
commands, each a line:
  p               pause: messages wait before they are handled
  n, or Enter     handle the next message
  c               continue
  r               send the last message again
  s FILE [TOPIC]  send the message of a file, or each line of a .jsonl file
  q               quit, as Ctrl-C does
  h               this help";

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Next,
    Pause,
    Continue,
    Replay,
    Send { file: PathBuf, to: Option<String> },
    Quit,
    Help,
}

impl Command {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(match words.as_slice() {
            [] | ["n" | "next"] => Self::Next,
            ["p" | "pause"] => Self::Pause,
            ["c" | "continue"] => Self::Continue,
            ["r" | "replay"] => Self::Replay,
            ["s" | "send", file] => Self::Send { file: file.into(), to: None },
            ["s" | "send", file, to] => Self::Send { file: file.into(), to: Some((*to).to_owned()) },
            ["q" | "quit"] => Self::Quit,
            ["h" | "help" | "?"] => Self::Help,
            _ => return None,
        })
    }
}

/// The state that commands act on.
pub(super) struct Console {
    /// The started routes.
    pub(super) routes: Vec<RouteHandle>,
    /// Whether the routes are paused.
    pub(super) paused: bool,
    pub(super) waiting: Arc<Waiting>,
    pub(super) recent: Arc<Recent>,
    pub(super) config: Config,
    pub(super) sinks: Sinks,
    pub(super) stop: CancellationToken,
}

impl Console {
    /// Executes the lines of standard input until it ends.
    pub(super) async fn run(mut self) {
        let mut lines = lines();
        while let Some(line) = lines.recv().await {
            match Command::parse(&line) {
                Some(command) => self.carry_out(command).await,
                None => tell!("unknown command `{}`\n{HELP}", line.trim().escape_debug()),
            }
        }
    }

    async fn carry_out(&mut self, command: Command) {
        match command {
            Command::Next if !self.paused => tell!("not paused: p pauses, h lists the commands"),
            Command::Next => match self.waiting.take() {
                Some(route) => self.tell(|name| name == &*route, command::Command::TryOne).await,
                None => tell!("no message is waiting"),
            },
            Command::Pause => {
                self.paused = true;
                self.tell(|_| true, command::Command::Pause).await;
                tell!("{PAUSED}");
            }
            Command::Continue => {
                self.paused = false;
                self.tell(|_| true, command::Command::Resume).await;
            }
            Command::Replay => match self.recent.last() {
                None => tell!("no message was handled yet"),
                Some((route, record)) => self.feed(input::again(&record, &route, &self.config)).await,
            },
            Command::Send { file, to } => match input::of_file(&file, to.as_deref(), &self.config) {
                Ok(input) => self.feed(input).await,
                Err(problems) => problems.iter().for_each(say),
            },
            Command::Quit => self.stop.cancel(),
            Command::Help => tell!("{HELP}"),
        }
    }

    /// Sends the command to these routes. A route that has ended is skipped.
    async fn tell(&self, which: impl Fn(&str) -> bool, command: command::Command) {
        for route in self.routes.iter().filter(|route| which(route.name())) {
            let _ = route.send(command).await;
        }
    }

    async fn feed(&self, input: Input) {
        if let Err(problem) = input::feed(input, &self.sinks).await {
            say(&problem);
        }
    }
}

fn say(problem: &Problem) {
    tell!("cofferdam: {problem}");
}

/// Returns the lines of standard input. A thread reads them. It cannot be stopped, so it ends with the process.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    if may_read() {
        std::thread::spawn(move || {
            let lines = std::io::stdin().lock().lines().map_while(Result::ok);
            // The receiver is dropped when the host ends.
            let _ = lines.map(|line| sender.blocking_send(line)).find(Result::is_err);
        });
    }
    lines
}

/// Returns whether reading is possible: the system stops a background process that reads from a terminal.
fn may_read() -> bool {
    tcgetpgrp(std::io::stdin()).map_or(true, |foreground| foreground == getpgrp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_command_by_its_letter_or_its_word() {
        let send = |to: Option<&str>| Command::Send { file: "a.json".into(), to: to.map(ToOwned::to_owned) };
        for (line, command) in [
            ("", Some(Command::Next)),
            (" n ", Some(Command::Next)),
            ("pause", Some(Command::Pause)),
            ("c", Some(Command::Continue)),
            ("r", Some(Command::Replay)),
            ("s a.json", Some(send(None))),
            ("send a.json orders", Some(send(Some("orders")))),
            ("q", Some(Command::Quit)),
            ("?", Some(Command::Help)),
            ("s", None),
            ("n 3", None),
            ("x", None),
        ] {
            assert_eq!(Command::parse(line), command, "{line:?}");
        }
    }
}
