//! The journal: every step of every message, recorded for the verification of the guarantees.
//!
//! A line is written before the step that it records, so a host that dies at any moment has acknowledged nothing, published
//! nothing and started no attempt without a line in its journal. The last line of a killed host may be incomplete.

mod facts;
mod listener;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use cofferdam_core::time::Time;
use cofferdam_guarantees::{Fact, What};

/// A journal that all routes of a process share; without a file nothing is written. It is the first
/// [`Listener`](crate::listener::Listener) of each flow.
#[derive(Debug, Clone, Default)]
pub struct Journal(Option<Arc<Mutex<Writer>>>);

impl Journal {
    /// Creates a journal in a new file.
    ///
    /// # Errors
    /// The file exists already, or cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let writer = Writer { file, lines: Vec::new(), host: std::process::id(), last: Time::default(), failed: None };
        Ok(Self(Some(Arc::new(Mutex::new(writer)))))
    }

    /// Records the start of the process.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn started(&self) -> io::Result<()> {
        self.write(|writer| writer.take_down(What::Started));
        self.flush()
    }

    /// Records the regular end of the process, with everything settled or handed back.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn stopped(&self) -> io::Result<()> {
        self.write(|writer| writer.take_down(What::Stopped));
        self.flush()
    }

    /// Whether a journal is written.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Writes all lines so far to the operating system, so that they survive the process.
    ///
    /// # Errors
    /// A write failed, now or at any time before. The file may then end within a line, so nothing may be appended, and no
    /// route may carry out anything more.
    pub fn flush(&self) -> io::Result<()> {
        match &self.0 {
            Some(writer) => writer.lock().unwrap_or_else(PoisonError::into_inner).flush(),
            None => Ok(()),
        }
    }

    fn write(&self, write: impl FnOnce(&mut Writer)) {
        if let Some(writer) = &self.0 {
            write(&mut writer.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

#[derive(Debug)]
struct Writer {
    file: File,
    /// Lines that are not in the file yet.
    lines: Vec<u8>,
    host: u32,
    last: Time,
    /// The error of the first failed write, if any.
    failed: Option<io::ErrorKind>,
}

impl Writer {
    fn take_down(&mut self, what: What) {
        // The wall clock, not the host's clock, which each process starts separately, because the journals of several
        // processes are merged by time.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last = self.last.max(Time::default().after(wall));
        let fact = Fact { at: self.last, host: self.host, what };
        serde_json::to_writer(&mut self.lines, &fact).expect("a fact is JSON, and memory takes it");
        self.lines.push(b'\n');
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(failed) = self.failed {
            return Err(failed.into());
        }
        if !self.lines.is_empty() {
            self.file.write_all(&self.lines).inspect_err(|error| self.failed = Some(error.kind()))?;
            self.lines.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
