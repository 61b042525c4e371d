//! Which line of which file an instruction was made from, where a component carries debug information (DWARF).
//!
//! Only the line programs are read, each once, when the plugin is compiled: the result is one sorted list, which is kept
//! with the code, and a fault looks its sixteen addresses up in it. The work is linear in the size of the programs.
//! wasmtime can do this itself, and does it anew for every frame of every fault with no bound on what the debug
//! information makes it do, on the thread that the next message waits for; a guest that brings its own DWARF could hold
//! that up as long as it likes.

use std::collections::HashMap;

use gimli::{DebugLineOffset, Dwarf, EndianSlice, LineRow, LittleEndian, SectionId};
use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

/// The most that the line programs of a component may have, bytes; 4 MiB. Larger ones are not read.
const PROGRAMS: usize = 4 << 20;
/// The most that the lists of files and folders of one program may have, bytes: each byte can become a hundred.
const HEADER: usize = 256 << 10;
/// The most lines that are kept, of twelve bytes each; what comes after them has none.
const ROWS: usize = 1 << 20;
/// The most bytes of names that are kept.
const NAMES: usize = 4 << 20;
/// The longest name of a file, bytes; of a longer one the end is kept.
const NAME: usize = 120;

/// Lines by instruction; empty for a component without debug information.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::plugin) struct Lines {
    rows: Vec<Row>,
    files: Vec<Box<str>>,
    /// Bytes of names before they were cut.
    #[serde(skip)]
    names: usize,
}

/// From this offset in the component's file on, up to the next row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Row {
    offset: u32,
    /// Its place among the files; [`Row::NONE`] where no line is known.
    file: u32,
    line: u32,
}

impl Row {
    const NONE: u32 = u32::MAX;
}

/// The debug information cannot be read, or is larger than what is kept.
#[derive(Debug)]
struct Unreadable;

impl From<gimli::Error> for Unreadable {
    fn from(_: gimli::Error) -> Self {
        Self
    }
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// A core module inside a component.
#[derive(Default)]
struct Module<'a> {
    /// Where its code section begins in the file, and how long it is: addresses count from there.
    code: (usize, usize),
    line: &'a [u8],
    line_strings: &'a [u8],
    strings: &'a [u8],
}

impl Lines {
    /// The lines of a component that was found to be valid. What cannot be read of its debug information is left out:
    /// a plugin works without it.
    pub(in crate::plugin) fn of(component: &[u8]) -> Self {
        let mut lines = Self::default();
        let mut room = PROGRAMS;
        for module in modules(component) {
            let Some(rest) = room.checked_sub(module.line.len()) else { break };
            room = rest;
            if lines.add(&module).is_err() {
                break;
            }
        }
        // Where one sequence ends and the next begins, the beginning counts.
        lines.rows.sort_by_key(|row| (row.offset, row.file != Row::NONE));
        lines.rows.shrink_to_fit();
        lines
    }

    /// The file and line of the instruction at `offset` in the component's file.
    pub(in crate::plugin) fn at(&self, offset: usize) -> Option<(&str, u32)> {
        let offset = u32::try_from(offset).ok()?;
        let row = self.rows[..self.rows.partition_point(|row| row.offset <= offset)].last()?;
        Some((self.files.get(row.file as usize)?, row.line))
    }

    fn add(&mut self, module: &Module<'_>) -> Result<(), Unreadable> {
        let dwarf = Dwarf::load(|id| {
            let section = match id {
                SectionId::DebugLine => module.line,
                SectionId::DebugLineStr => module.line_strings,
                SectionId::DebugStr => module.strings,
                _ => &[],
            };
            Ok::<_, Unreadable>(EndianSlice::new(section, LittleEndian))
        })?;
        let mut start = 0;
        while let Some((end, header)) = program(module.line, start) {
            if header <= HEADER {
                self.run(&dwarf, start, module.code)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Runs the program that starts at `start`: a row for each place where the line changes.
    fn run(&mut self, dwarf: &Dwarf<Slice<'_>>, start: usize, code: (usize, usize)) -> Result<(), Unreadable> {
        let program = dwarf.debug_line.program(DebugLineOffset(start), 4, None, None)?;
        let mut rows = program.rows();
        // By number in this program, those that its header has: a program may ask for any number of them, of any size.
        let mut files: HashMap<u64, u32> = HashMap::new();
        let mut sequence = self.rows.len();
        while let Some((header, row)) = rows.next_row()? {
            let file = if row.end_sequence() {
                Row::NONE
            } else {
                match files.get(&row.file_index()) {
                    Some(file) => *file,
                    None => {
                        let file = self.file(dwarf, header, row)?;
                        if file != Row::NONE {
                            files.insert(row.file_index(), file);
                        }
                        file
                    }
                }
            };
            let line = row.line().map_or(0, |line| u32::try_from(line.get()).unwrap_or(u32::MAX));
            let offset = code.0.saturating_add(usize::try_from(row.address()).unwrap_or(usize::MAX));
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            let repeats = self.rows[sequence..].last().is_some_and(|last| (last.file, last.line) == (file, line));
            if !repeats {
                self.rows.push(Row { offset, file, line });
            }
            if row.end_sequence() {
                // The linker moves what it has left out to addresses where there is no code.
                let left_out = |row: &Row| row.offset as usize <= code.0 || row.offset as usize > code.0 + code.1;
                if self.rows[sequence..].iter().any(left_out) {
                    self.rows.truncate(sequence);
                }
                sequence = self.rows.len();
            }
            if self.rows.len() >= ROWS {
                return Err(Unreadable);
            }
        }
        self.rows.truncate(sequence);
        Ok(())
    }

    /// Keeps the name of the file that `row` is of.
    fn file(
        &mut self,
        dwarf: &Dwarf<Slice<'_>>,
        header: &gimli::LineProgramHeader<Slice<'_>>,
        row: &LineRow,
    ) -> Result<u32, Unreadable> {
        let Some(entry) = row.file(header) else { return Ok(Row::NONE) };
        let name = dwarf.attr_line_string(entry.path_name())?;
        let mut path = name.to_string_lossy().into_owned();
        if let Some(folder) = entry.directory(header).filter(|_| !path.starts_with('/')) {
            let folder = dwarf.attr_line_string(folder)?;
            path = format!("{}/{path}", folder.to_string_lossy());
        }
        self.names += path.len();
        if self.names > NAMES {
            return Err(Unreadable);
        }
        let path = &path[path.ceil_char_boundary(path.len().saturating_sub(NAME))..];
        self.files.push(path.into());
        u32::try_from(self.files.len() - 1).map_err(|_| Unreadable)
    }
}

/// Where the line program that starts at `start` ends, and how long its header is; `None` after the last.
fn program(section: &[u8], start: usize) -> Option<(usize, usize)> {
    let word = |at: usize| Some(u32::from_le_bytes(section.get(at..)?.first_chunk().copied()?) as usize);
    let length = word(start)?;
    // Of 64 bits it would be; no tool writes that for WebAssembly.
    let end = (length < 0xffff_fff0).then(|| start.checked_add(4)?.checked_add(length))??;
    let version = section.get(start + 4).copied()?;
    let header = word(start + if version >= 5 { 8 } else { 6 })?;
    Some((end, header))
}

/// The core modules of a component that have debug information.
fn modules(component: &[u8]) -> Vec<Module<'_>> {
    let mut modules = Vec::new();
    let mut open: Option<Module<'_>> = None;
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match (payload, &mut open) {
            (Payload::Version { encoding: Encoding::Module, .. }, _) => open = Some(Module::default()),
            (Payload::CodeSectionStart { range, .. }, Some(module)) => module.code = (range.start, range.len()),
            (Payload::CustomSection(section), Some(module)) => match section.name() {
                ".debug_line" => module.line = section.data(),
                ".debug_line_str" => module.line_strings = section.data(),
                ".debug_str" => module.strings = section.data(),
                _ => {}
            },
            (Payload::End(_), Some(_)) => modules.extend(open.take().filter(|module| !module.line.is_empty())),
            _ => {}
        }
    }
    modules
}

#[cfg(test)]
mod tests;
