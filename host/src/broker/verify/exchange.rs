//! Parses requests and responses of one connection between a host and a server, as far as the proxy needs it.

/// Parses one connection. After a lost response the connection is closed.
pub trait Exchange: Send {
    /// Observes request bytes. The proxy forwards them unchanged.
    fn note(&mut self, bytes: &[u8]);

    /// Processes response bytes on their way to the client. If `loses` is true, it drops the next response to a request
    /// that changes something. `door` returns the local port that forwards to a server, to rewrite addresses in
    /// responses.
    fn pass(&mut self, bytes: Vec<u8>, loses: bool, door: &mut dyn FnMut(&str, u16) -> Option<u16>) -> Passed;
}

/// The result of processing response bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The bytes to forward.
    pub bytes: Vec<u8>,
    /// Whether the response after these bytes is lost.
    pub lost: bool,
    /// Number of responses whose addresses could not be parsed.
    pub unread: u64,
}

/// A connection whose protocol is not parsed: responses contain no addresses, and any response may be lost.
#[derive(Debug)]
pub struct Opaque;

impl Exchange for Opaque {
    fn note(&mut self, _bytes: &[u8]) {}

    fn pass(&mut self, bytes: Vec<u8>, loses: bool, _door: &mut dyn FnMut(&str, u16) -> Option<u16>) -> Passed {
        Passed { bytes: if loses { Vec::new() } else { bytes }, lost: loses, unread: 0 }
    }
}
