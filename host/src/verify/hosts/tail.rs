//! A journal, read while it is written: only as much as the run has to know of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes read at once.
const PIECE: usize = 1 << 18;

/// What a journal says so far.
pub(super) struct Tail {
    file: File,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
    /// Receipts that were brought to their end, well or as an error.
    pub(super) settled: u64,
    /// It has a line: the host is past its start.
    pub(super) started: bool,
    /// Something was received.
    pub(super) works: bool,
    /// It ended by itself, with nothing left.
    pub(super) stopped: bool,
}

impl Tail {
    /// Of a journal that is there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { file, rest: Vec::new(), settled: 0, started: false, works: false, stopped: false })
    }

    /// Reads what has been written since.
    pub(super) fn look(&mut self) -> io::Result<()> {
        loop {
            let start = self.rest.len();
            self.rest.resize(start + PIECE, 0);
            let read = self.file.read(&mut self.rest[start..])?;
            self.rest.truncate(start + read);
            let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
                if read == 0 {
                    return Ok(());
                }
                continue;
            };
            self.started = true;
            for line in self.rest[..end].split(|byte| *byte == b'\n') {
                self.settled += u64::from(SETTLED.iter().any(|end| line.ends_with(end)));
                self.works |= line.windows(RECEIVED.len()).take(80).any(|part| part == RECEIVED);
                self.stopped |= line.ends_with(STOPPED);
            }
            self.rest.drain(..=end);
            if read == 0 {
                return Ok(());
            }
        }
    }
}

/// How lines end, or what stands near their beginning. A test holds this against the journal.
const SETTLED: [&[u8]; 2] = [br#""fate":"done"}"#, br#""fate":"dead_lettered"}"#];
const RECEIVED: &[u8] = br#""event":"received""#;
const STOPPED: &[u8] = br#""event":"stopped"}"#;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use cofferdam_core::action::Fate;
    use cofferdam_core::time::Time;
    use cofferdam_guarantees::{Fact, What};

    use super::*;

    fn line(what: What) -> String {
        let fact = Fact { at: Time::from_micros(1_795_237_296_120_999), host: u32::MAX, what };
        serde_json::to_string(&fact).unwrap() + "\n"
    }

    #[test]
    fn it_knows_the_lines_of_a_journal_also_those_written_in_two_pieces() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut tail = Tail::open(file.path()).unwrap();
        tail.look().unwrap();
        assert!(!tail.started);
        let settled = |fate| line(What::Settled { record: "t/1/2".into(), fate });
        let done = settled(Fate::Done);
        let (first, second) = done.split_at(40);
        write!(file, "{}{}{first}", settled(Fate::Revoked), settled(Fate::DeadLettered)).unwrap();
        tail.look().unwrap();
        assert_eq!((tail.settled, tail.works, tail.stopped), (1, false, false));
        write!(file, "{second}{}", line(What::Received { records: vec!["t/1/3".into()] })).unwrap();
        tail.look().unwrap();
        assert_eq!((tail.settled, tail.works, tail.stopped), (2, true, false));
        write!(file, "{}", line(What::Stopped)).unwrap();
        tail.look().unwrap();
        assert!(tail.stopped && tail.started);
    }
}
