//! Source file and line of an instruction, from the debug information (DWARF) of a component.
//!
//! Only the line programs are read, each once, when the plugin is compiled. The result is one sorted list, which is
//! stored with the code; a fault looks up its sixteen addresses in it. The work is linear in the size of the programs.
//! wasmtime can do the lookup itself, but repeats it for every frame of every fault, without a limit on the work that
//! the debug information causes, and on the thread that the next message waits for. A guest with its own DWARF could
//! block that thread as long as it likes.

use std::collections::HashMap;

use gimli::{DebugLineOffset, Dwarf, EndianSlice, LineRow, LittleEndian, SectionId};
use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

/// Maximum size of the line programs of a component in bytes; larger ones are not read.
const PROGRAMS: usize = 4 << 20;
/// Maximum size of the file and folder lists of one program in bytes: in memory, each byte can become a hundred.
const HEADER: usize = 256 << 10;
/// Maximum number of stored lines, of twelve bytes each; further instructions have no line.
const ROWS: usize = 1 << 20;
/// Maximum size of all stored file names in bytes.
const NAMES: usize = 4 << 20;
/// Maximum length of a stored file name in bytes; of a longer one, the end is stored.
const NAME: usize = 120;

/// Lines by instruction; empty for a component without debug information.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::plugin) struct Lines {
    rows: Vec<Row>,
    files: Vec<Box<str>>,
    /// Bytes of file names before they were truncated.
    #[serde(skip)]
    names: usize,
}

/// The line of the instructions from this offset in the component's file to the next row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Row {
    offset: u32,
    /// Index of the file; [`Row::NONE`] if the line is unknown.
    file: u32,
    line: u32,
}

impl Row {
    const NONE: u32 = u32::MAX;
}

/// The debug information is invalid or exceeds a limit.
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
    /// Offset of the code section in the file, and its length: addresses are relative to it.
    code: (usize, usize),
    line: &'a [u8],
    line_strings: &'a [u8],
    strings: &'a [u8],
}

impl Lines {
    /// Reads the lines of a valid component. Unreadable debug information is left out: a plugin works without it.
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
        // If one sequence ends where the next begins, the begin counts.
        lines.rows.sort_by_key(|row| (row.offset, row.file != Row::NONE));
        lines.rows.shrink_to_fit();
        lines
    }

    /// Returns file and line of the instruction at `offset` in the component's file.
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

    /// Runs the program that starts at `start`, and adds a row where the line changes.
    fn run(&mut self, dwarf: &Dwarf<Slice<'_>>, start: usize, code: (usize, usize)) -> Result<(), Unreadable> {
        let program = dwarf.debug_line.program(DebugLineOffset(start), 4, None, None)?;
        let mut rows = program.rows();
        // Files of the header that this program uses, by their number. A map, because a program may use any number, of
        // any size.
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
                // The linker gives the code that it removed addresses outside of the code section.
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

    /// Stores the file name of `row` and returns its index.
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

/// Returns the end of the line program that starts at `start`, and the length of its header; `None` after the last
/// program.
fn program(section: &[u8], start: usize) -> Option<(usize, usize)> {
    let word = |at: usize| Some(u32::from_le_bytes(section.get(at..)?.first_chunk().copied()?) as usize);
    let length = word(start)?;
    // Larger lengths mark 64-bit DWARF, which no tool writes for WebAssembly.
    let end = (length < 0xffff_fff0).then(|| start.checked_add(4)?.checked_add(length))??;
    let version = section.get(start + 4).copied()?;
    let header = word(start + if version >= 5 { 8 } else { 6 })?;
    Some((end, header))
}

/// Returns the core modules of a component that have debug information.
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
