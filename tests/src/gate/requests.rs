//! Parses the requests of Kafka clients, as far as a gate needs it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::{Catch, Counts, Way};

/// The number of bytes that contain the length and the API key of a request.
const HEAD: usize = 6;

/// The parser of the requests of one connection.
pub(super) struct Requests<'a> {
    pub(super) counts: &'a Counts,
    /// Set while responses of this connection are held back.
    pub(super) silent: &'a AtomicBool,
    /// The first bytes of a request whose API key is not complete yet.
    head: Vec<u8>,
    /// The number of remaining bytes of the current request.
    left: usize,
}

/// Bytes that are forwarded together.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// The API key of the request that begins with these bytes, if one does.
    pub(super) api_key: Option<i16>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(counts: &'a Counts, silent: &'a AtomicBool) -> Self {
        Self { counts, silent, head: Vec::new(), left: 0 }
    }

    /// Splits bytes so that each request begins a new piece. An incomplete head is kept until it is complete.
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

    /// Waits while requests with this API key are held back.
    pub(super) async fn pass(&self, api_key: i16, way: &mut watch::Receiver<Way>) {
        let caught = |way: &Way| way.catch.filter(|catch| catch.api_keys.contains(&api_key));
        let catch = caught(&way.borrow());
        let Some(Catch { after, .. }) = catch else { return };
        self.counts.caught.fetch_add(1, Ordering::SeqCst);
        if after {
            self.silent.store(true, Ordering::SeqCst);
        } else {
            // An error means that the gate was dropped.
            let _ = way.wait_for(|way| caught(way).is_none()).await;
        }
    }
}
