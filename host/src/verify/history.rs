//! The history of a run, in files: what each process took down, what the world did, what a reader found at the end.
//!
//! Read, they are one history in the order of time. A file is opened when its time has come and closed at its end, so
//! that a run with a thousand restarts needs neither memory nor descriptors for all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use cofferdam_core::time::Time;
use cofferdam_guarantees::{Fact, What};

use crate::exit::{Exit, Problem};

/// How the names of all files of a history end.
const ENDING: &str = ".jsonl";

/// How the name of a host's journal begins; its number follows.
const HOST: &str = "host-";

/// The name of the journal of the process with this number.
pub(super) fn journal_name(number: u32) -> String {
    format!("{HOST}{number:05}{ENDING}")
}

/// The time now, as journals have it.
pub(super) fn now() -> Time {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::default().after(wall)
}

/// Writes what the world does: brokers, producers, readers, and whoever kills hosts.
pub(super) struct World {
    path: PathBuf,
    file: BufWriter<File>,
}

impl World {
    /// Begins a file of the history, `name` without ending.
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, Problem> {
        let path = folder.join(format!("{name}{ENDING}"));
        let file = File::create(&path).map_err(|error| unusable(&path, &error))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    /// This has happened just now.
    pub(super) fn tell(&mut self, host: u32, what: What) -> Result<(), Problem> {
        self.tell_at(now(), host, what)
    }

    /// This has happened at that time, and nothing that is told later has happened before.
    pub(super) fn tell_at(&mut self, at: Time, host: u32, what: What) -> Result<(), Problem> {
        serde_json::to_writer(&mut self.file, &Fact { at, host, what })
            .map_err(io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| unusable(&self.path, &error))
    }

    /// Writes out what is not in the file yet.
    pub(super) fn flush(&mut self) -> Result<(), Problem> {
        self.file.flush().map_err(|error| unusable(&self.path, &error))
    }
}

/// All facts of a history, in order of time.
pub(super) struct History {
    /// Files whose time has not come, the next one last.
    later: Vec<(Time, PathBuf)>,
    open: Vec<Option<Lines>>,
    /// The next fact's time, and whose it is.
    next: BinaryHeap<Reverse<(Time, usize)>>,
}

impl History {
    /// The history in a folder.
    pub(super) fn open(folder: &Path) -> Result<Self, Problem> {
        let mut later = Vec::new();
        let listed = fs::read_dir(folder).map_err(|error| unusable(folder, &error))?;
        for path in listed.flatten().map(|entry| entry.path()) {
            if path.to_str().is_some_and(|path| path.ends_with(ENDING))
                && let Some(fact) = Lines::open(&path)?.next
            {
                later.push((fact.at, path));
            }
        }
        later.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Self { later, open: Vec::new(), next: BinaryHeap::new() })
    }

    /// The next fact; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Fact>, Problem> {
        while let Some((at, path)) = self.later.last() {
            if self.next.peek().is_some_and(|Reverse((next, _))| next < at) {
                break;
            }
            let free = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
            self.open.resize_with(self.open.len().max(free + 1), || None);
            self.next.push(Reverse((*at, free)));
            self.open[free] = Some(Lines::open(path)?);
            self.later.pop();
        }
        let Some(Reverse((_, file))) = self.next.pop() else { return Ok(None) };
        let lines = self.open[file].as_mut().expect("it has a next fact");
        let fact = lines.advance()?;
        match &lines.next {
            Some(next) => self.next.push(Reverse((next.at, file))),
            None => self.open[file] = None,
        }
        Ok(fact)
    }
}

/// The facts of one file.
struct Lines {
    path: PathBuf,
    /// Of a journal: the number of its process.
    host: Option<u32>,
    reader: BufReader<File>,
    line: Vec<u8>,
    next: Option<Fact>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Problem> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(HOST).and_then(|name| name.strip_suffix(ENDING));
        let host = number.and_then(|number| number.parse().ok());
        let file = File::open(path).map_err(|error| unusable(path, &error))?;
        let reader = BufReader::with_capacity(1 << 16, file);
        let mut lines = Self { path: path.into(), host, reader, line: Vec::new(), next: None };
        lines.advance()?;
        Ok(lines)
    }

    /// Returns the next fact and reads the one behind it.
    fn advance(&mut self) -> Result<Option<Fact>, Problem> {
        self.line.clear();
        self.reader.read_until(b'\n', &mut self.line).map_err(|error| unusable(&self.path, &error))?;
        // Half a line is the last of a process that was killed while it wrote.
        let next = if self.line.last() == Some(&b'\n') {
            let mut fact: Fact = serde_json::from_slice(&self.line).map_err(|error| self.nonsense(&error))?;
            fact.host = self.host.unwrap_or(fact.host);
            Some(fact)
        } else {
            None
        };
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn nonsense(&self, error: &serde_json::Error) -> Problem {
        let what = format!("invalid line in the journal: {error}: {}", String::from_utf8_lossy(&self.line).trim_end());
        Problem::new(Exit::Data, what, "").at(self.path.display().to_string())
    }
}

fn unusable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Exit::Unavailable, error.to_string(), "").at(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, times: &[u64], rest: &str) {
        let lines = times.iter().map(|at| {
            let fact = Fact { at: Time::from_micros(*at), host: 9, what: What::Started };
            serde_json::to_string(&fact).unwrap() + "\n"
        });
        fs::write(folder.join(name), lines.collect::<String>() + rest).unwrap();
    }

    #[test]
    fn many_journals_are_one_history_and_a_torn_last_line_is_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "host-00001.jsonl", &[10, 30, 31], r#"{"at":32,"ho"#);
        write(folder.path(), "host-00002.jsonl", &[5, 30, 40], "");
        write(folder.path(), "host-00003.jsonl", &[35], "");
        write(folder.path(), "world.jsonl", &[1, 50], "");
        write(folder.path(), "host-00004.jsonl", &[], "");
        write(folder.path(), "host-00001.log", &[], "no fact");
        let mut history = History::open(folder.path()).unwrap();
        let mut seen = Vec::new();
        while let Some(fact) = history.next().unwrap() {
            seen.push((fact.at.as_micros(), fact.host));
        }
        assert_eq!(seen, [(1, 9), (5, 2), (10, 1), (30, 2), (30, 1), (31, 1), (35, 3), (40, 2), (50, 9)]);
    }

    #[test]
    fn a_line_in_the_middle_that_is_no_fact_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "host-00001.jsonl", &[10], "{}\n");
        let refused = History::open(folder.path()).err().or_else(|| {
            let mut history = History::open(folder.path()).unwrap();
            history.next().err().or_else(|| history.next().err())
        });
        assert!(refused.is_some_and(|problem| problem.place.ends_with("host-00001.jsonl")));
    }
}
