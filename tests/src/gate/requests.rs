//! What clients of Kafka ask, as far as a gate has to know it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::{Catch, Counts, Way};

/// Bytes before which the key of a request is not known: its length, and the key.
const HEAD: usize = 6;

/// The requests of one connection.
pub(super) struct Requests<'a> {
    pub(super) counts: &'a Counts,
    /// The answers of this connection are held back while something is.
    pub(super) silent: &'a AtomicBool,
    /// The beginning of a request whose key is not known yet.
    head: Vec<u8>,
    /// Bytes of the request that are still to come.
    left: usize,
}

/// Bytes that go on together.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// The key of the request that they begin.
    pub(super) api_key: Option<i16>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(counts: &'a Counts, silent: &'a AtomicBool) -> Self {
        Self { counts, silent, head: Vec::new(), left: 0 }
    }

    /// The same bytes, so that each request begins a piece. A head that is not complete is kept until it is.
    pub(super) fn pieces(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let begins = self.left == 0;
            let length = if begins { HEAD - self.head.len() } else { self.left };
            let (now, later) = bytes.split_at(length.min(bytes.len()));
            bytes = later;
            if !begins {
                self.left -= now.len();
                pieces.push(Piece { bytes: now.to_vec(), api_key: None });
                continue;
            }
            self.head.extend_from_slice(now);
            if let [a, b, c, d, e, f] = self.head[..] {
                let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).expect("requests have a length");
                self.left = (4 + length).saturating_sub(HEAD);
                let api_key = Some(i16::from_be_bytes([e, f]));
                pieces.push(Piece { bytes: std::mem::take(&mut self.head), api_key });
            }
        }
        pieces
    }

    /// Waits where such a request is held back.
    pub(super) async fn pass(&self, api_key: i16, way: &mut watch::Receiver<Way>) {
        let caught = |way: &Way| way.catch.filter(|catch| catch.api_keys.contains(&api_key));
        let catch = caught(&way.borrow());
        let Some(Catch { after, .. }) = catch else { return };
        self.counts.caught.fetch_add(1, Ordering::SeqCst);
        if after {
            self.silent.store(true, Ordering::SeqCst);
        } else {
            // Who holds it back has gone, or has let it go.
            let _ = way.wait_for(|way| caught(way).is_none()).await;
        }
    }
}
