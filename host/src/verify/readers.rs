//! What was written and what readers find, as plain data for a checker that shares no code with the host.
//!
//! Two files in the folder of the run hold it, apart from the history that the judge reads.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use cofferdam_checker::{Checker, Findings, Read, Written};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Delivery, unusable};
use crate::exit::{Exit, Problem};

/// The messages that the brokers have acknowledged.
pub(super) const WRITTEN: &str = "written.ndjson";

/// What readers of outputs, dead letters and error events have found, each destination from its beginning.
pub(super) const READ: &str = "read.ndjson";

/// Writes one of the files.
pub(super) struct Rows {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Rows {
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, Problem> {
        let path = folder.join(name);
        let file = File::create(&path).map_err(|error| unusable(&path, &error))?;
        Ok(Self { path, file: BufWriter::new(file) })
    }

    pub(super) fn add(&mut self, row: &impl Serialize) -> Result<(), Problem> {
        serde_json::to_writer(&mut self.file, row)
            .map_err(io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| unusable(&self.path, &error))
    }

    pub(super) fn flush(&mut self) -> Result<(), Problem> {
        self.file.flush().map_err(|error| unusable(&self.path, &error))
    }
}

/// Checks what readers have found in the run of a folder.
pub(super) fn check(folder: &Path, delivery: Delivery) -> Result<Findings, Problem> {
    let mut checker = Checker::new(match delivery {
        Delivery::AtLeastOnce => cofferdam_checker::Delivery::AtLeastOnce,
        Delivery::ExactlyOnce => cofferdam_checker::Delivery::ExactlyOnce,
    });
    each(&folder.join(WRITTEN), |written: &Written| checker.written(written))?;
    each(&folder.join(READ), |read: &Read| checker.read(read))?;
    Ok(checker.finish())
}

fn each<T: DeserializeOwned>(path: &Path, mut take: impl FnMut(&T)) -> Result<(), Problem> {
    let file = File::open(path).map_err(|error| Problem { exit: Exit::Data, ..unusable(path, &error) })?;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| unusable(path, &error))?;
        let row = serde_json::from_str(&line).map_err(|error| {
            Problem::new(Exit::Data, format!("cannot read a row: {error}: {line}"), "").at(path.display().to_string())
        })?;
        take(&row);
    }
    Ok(())
}
