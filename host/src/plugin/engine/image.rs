//! A compiled plugin in one piece: its code and the symbols of its functions, as the compiler hands it over and as the
//! cache keeps it.
//!
//! The code is in front, so that it can be mapped from a file as it stands; wasmtime takes no notice of what follows it.

use serde::de::Error as _;

use crate::plugin::symbols::Symbols;

/// A compiled plugin.
#[derive(Debug)]
pub(in crate::plugin) struct Image {
    bytes: Vec<u8>,
    code: usize,
}

/// These bytes are no image.
#[derive(Debug, thiserror::Error)]
#[error("invalid compiled plugin: {0}")]
pub(in crate::plugin) struct NoImage(#[from] postcard::Error);

impl Image {
    /// What follows the symbols: how long they are.
    const TAIL: usize = size_of::<u64>();

    /// An image of this code.
    pub(in crate::plugin) fn new(code: Vec<u8>, symbols: &Symbols) -> Result<Self, NoImage> {
        let (mut bytes, symbols) = (code, postcard::to_allocvec(symbols)?);
        let code = bytes.len();
        bytes.extend_from_slice(&symbols);
        bytes.extend_from_slice(&(symbols.len() as u64).to_le_bytes());
        Ok(Self { bytes, code })
    }

    /// The image that was written down as `bytes`, with its symbols.
    pub(in crate::plugin) fn read(bytes: Vec<u8>) -> Result<(Self, Symbols), NoImage> {
        let cut = || NoImage(postcard::Error::custom("truncated"));
        let (rest, tail) = bytes.split_last_chunk::<{ Self::TAIL }>().ok_or_else(cut)?;
        let symbols = usize::try_from(u64::from_le_bytes(*tail)).map_err(|_| cut())?;
        let code = rest.len().checked_sub(symbols).ok_or_else(cut)?;
        let symbols = postcard::from_bytes(&rest[code..])?;
        Ok((Self { bytes, code }, symbols))
    }

    /// Its code.
    pub(in crate::plugin) fn code(&self) -> &[u8] {
        &self.bytes[..self.code]
    }

    /// All of it.
    pub(in crate::plugin) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of it, to be written down.
    pub(in crate::plugin) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_as_it_was_written() {
        let bytes = Image::new(b"code".to_vec(), &Symbols::default()).unwrap().into_bytes();
        let (image, symbols) = Image::read(bytes.clone()).unwrap();
        assert_eq!((image.code(), symbols), (&b"code"[..], Symbols::default()));
        for length in 0..bytes.len() {
            // The symbols are empty: a cut image may look like one with less code, which the digest of the cache shows.
            let _ = Image::read(bytes[..length].to_vec());
        }
        assert!(Image::read(Vec::new()).is_err() && Image::read(vec![0xff; 16]).is_err());
    }
}
