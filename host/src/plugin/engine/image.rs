//! A compiled plugin in one piece: its code and the symbols of its functions, as the compiler returns it and as the cache
//! stores it.
//!
//! The code comes first, so that it can be mapped from a file; wasmtime ignores what follows it.

use serde::de::Error as _;

use crate::plugin::symbols::Symbols;

/// A compiled plugin.
#[derive(Debug)]
pub(in crate::plugin) struct Image {
    bytes: Vec<u8>,
    code: usize,
}

/// The bytes are no image.
#[derive(Debug, thiserror::Error)]
#[error("invalid compiled plugin: {0}")]
pub(in crate::plugin) struct NoImage(#[from] postcard::Error);

impl Image {
    /// Size of the field after the symbols, which contains their length.
    const TAIL: usize = size_of::<u64>();

    /// Makes an image of this code and these symbols.
    pub(in crate::plugin) fn new(code: Vec<u8>, symbols: &Symbols) -> Result<Self, NoImage> {
        let (mut bytes, symbols) = (code, postcard::to_allocvec(symbols)?);
        let code = bytes.len();
        bytes.extend_from_slice(&symbols);
        bytes.extend_from_slice(&(symbols.len() as u64).to_le_bytes());
        Ok(Self { bytes, code })
    }

    /// Decodes an image from `bytes`, with its symbols.
    pub(in crate::plugin) fn read(bytes: Vec<u8>) -> Result<(Self, Symbols), NoImage> {
        let cut = || NoImage(postcard::Error::custom("truncated"));
        let (rest, tail) = bytes.split_last_chunk::<{ Self::TAIL }>().ok_or_else(cut)?;
        let symbols = usize::try_from(u64::from_le_bytes(*tail)).map_err(|_| cut())?;
        let code = rest.len().checked_sub(symbols).ok_or_else(cut)?;
        let symbols = postcard::from_bytes(&rest[code..])?;
        Ok((Self { bytes, code }, symbols))
    }

    /// The code.
    pub(in crate::plugin) fn code(&self) -> &[u8] {
        &self.bytes[..self.code]
    }

    /// All bytes of the image.
    pub(in crate::plugin) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes of the image, to store it.
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
            // The symbols are empty. A truncated image may look like one with less code; the cache detects that by the
            // digest.
            let _ = Image::read(bytes[..length].to_vec());
        }
        assert!(Image::read(Vec::new()).is_err() && Image::read(vec![0xff; 16]).is_err());
    }
}
