//! Rewrites broker addresses in responses of Kafka: Metadata and FindCoordinator, in all versions.

/// API keys of the protocol.
pub(super) const METADATA: i16 = 3;
pub(super) const FIND_COORDINATOR: i16 = 10;

/// The host that replaces the host of every broker.
const HOST: &str = "127.0.0.1";

/// Returns the response to a request with this API key and version, with rewritten addresses. `door` returns the local
/// port for a broker. `bytes` is the part after the correlation id. Returns `None` if the bytes are not such a
/// response.
pub(super) fn rewrite(
    key: i16,
    version: i16,
    bytes: &[u8],
    door: impl FnMut(&str, u16) -> Option<u16>,
) -> Option<Vec<u8>> {
    let flexible = version >= if key == METADATA { 9 } else { 3 };
    let mut copy = Copy { rest: bytes, out: Vec::with_capacity(bytes.len() + 64), flexible, door };
    copy.tags()?; // the header's
    if key == METADATA {
        copy.metadata(version)?
    } else {
        copy.coordinators(version)?
    };
    copy.out.extend_from_slice(copy.rest);
    Some(copy.out)
}

/// Reads a response from the beginning and writes a copy.
struct Copy<'a, D> {
    rest: &'a [u8],
    out: Vec<u8>,
    /// Whether the version is flexible: lengths are varints, and structures end with tagged fields.
    flexible: bool,
    door: D,
}

impl<'a, D: FnMut(&str, u16) -> Option<u16>> Copy<'a, D> {
    fn metadata(&mut self, version: i16) -> Option<()> {
        if version >= 3 {
            self.bytes(4)?; // throttle time
        }
        for _ in 0..self.length()? {
            self.bytes(4)?; // node
            self.address()?;
            if version >= 1 {
                self.text()?; // rack
            }
            self.tags()?;
        }
        Some(())
    }

    fn coordinators(&mut self, version: i16) -> Option<()> {
        if version >= 1 {
            self.bytes(4)?; // throttle time
        }
        if version < 4 {
            self.bytes(2)?; // error
            if version >= 1 {
                self.text()?; // its message
            }
            self.bytes(4)?; // node
            return self.address();
        }
        for _ in 0..self.length()? {
            self.text()?; // key
            self.bytes(4)?; // node
            self.address()?;
            self.bytes(2)?; // error
            self.text()?; // its message
            self.tags()?;
        }
        Some(())
    }

    /// Copies a host and a port. An unavailable coordinator has none.
    fn address(&mut self) -> Option<()> {
        let host = self.read_text()?;
        let port = i32::from_be_bytes(self.read(4)?.try_into().ok()?);
        let host = std::str::from_utf8(host.unwrap_or_default()).ok()?;
        match u16::try_from(port) {
            Ok(number @ 1..) if !host.is_empty() => {
                let local = (self.door)(host, number)?;
                self.put_text(HOST);
                self.out.extend(i32::from(local).to_be_bytes());
            }
            _ => {
                self.put_text(host);
                self.out.extend(port.to_be_bytes());
            }
        }
        Some(())
    }

    fn read(&mut self, length: usize) -> Option<&'a [u8]> {
        let (read, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(read)
    }

    fn bytes(&mut self, length: usize) -> Option<()> {
        let bytes = self.read(length)?;
        self.out.extend_from_slice(bytes);
        Some(())
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.read(1)?[0];
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn put_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// Copies the length of an array.
    fn length(&mut self) -> Option<u32> {
        if self.flexible {
            let length = self.varint()?;
            self.put_varint(length);
            return Some(length.saturating_sub(1));
        }
        let length = i32::from_be_bytes(self.read(4)?.try_into().ok()?);
        self.out.extend(length.to_be_bytes());
        Some(u32::try_from(length).unwrap_or(0))
    }

    fn read_text(&mut self) -> Option<Option<&'a [u8]>> {
        let length = if self.flexible {
            self.varint()?.checked_sub(1)
        } else {
            u32::try_from(i16::from_be_bytes(self.read(2)?.try_into().ok()?)).ok()
        };
        match length {
            Some(length) => self.read(length as usize).map(Some),
            None => Some(None),
        }
    }

    fn put_text(&mut self, text: &str) {
        let length = u32::try_from(text.len()).expect("it is a name in an answer");
        if self.flexible {
            self.put_varint(length + 1);
        } else {
            self.out.extend((length as u16).to_be_bytes());
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Copies a text, which may be null.
    fn text(&mut self) -> Option<()> {
        let before = self.rest;
        self.read_text()?;
        self.out.extend_from_slice(&before[..before.len() - self.rest.len()]);
        Some(())
    }

    fn tags(&mut self) -> Option<()> {
        if !self.flexible {
            return Some(());
        }
        let before = self.rest;
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.read(length as usize)?;
        }
        self.out.extend_from_slice(&before[..before.len() - self.rest.len()]);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(key: i16, version: i16, bytes: &[u8]) -> Option<Vec<u8>> {
        let door = |host: &str, port: u16| {
            assert_eq!((host, port), ("broker-1", 9092));
            Some(40_000)
        };
        rewrite(key, version, bytes, door)
    }

    /// Returns a response that contains `broker-1:9092`, and the same response with the proxy's address.
    fn answers(head: &[u8], tail: &[u8], compact: bool) -> [Vec<u8>; 2] {
        [("broker-1", 9092_i32), (HOST, 40_000)].map(|(host, port)| {
            let length = host.len() as u8;
            let length = if compact { vec![length + 1] } else { vec![0, length] };
            [head, &length, host.as_bytes(), &port.to_be_bytes(), tail].concat()
        })
    }

    #[test]
    fn brokers_in_metadata_are_found_by_the_proxies() {
        // No throttle time, no rack; one broker, node 1; then the topics, which stay unchanged.
        let [answer, expected] = answers(&[0, 0, 0, 1, 0, 0, 0, 1], b"topics", false);
        assert_eq!(rewritten(METADATA, 0, &answer), Some(expected));
        // Throttle time; the rack is null.
        let [answer, expected] = answers(&[0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1], &[255, 255, 1, 2, 3], false);
        assert_eq!(rewritten(METADATA, 5, &answer), Some(expected));
        // Tagged fields of the header, compact lengths, a rack of two letters, a tagged field of three bytes.
        let [answer, expected] =
            answers(&[0, 0, 0, 0, 9, 2, 0, 0, 0, 1], &[3, b'r', b'1', 1, 5, 3, 9, 9, 9, 4, 4], true);
        assert_eq!(rewritten(METADATA, 12, &answer), Some(expected));
    }

    #[test]
    fn coordinators_are_found_by_the_proxies() {
        let [answer, expected] = answers(&[0, 0, 0, 0, 0, 1], &[], false);
        assert_eq!(rewritten(FIND_COORDINATOR, 0, &answer), Some(expected));
        let [answer, expected] = answers(&[0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 1], &[], false);
        assert_eq!(rewritten(FIND_COORDINATOR, 2, &answer), Some(expected));
        let [answer, expected] = answers(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[0], true);
        assert_eq!(rewritten(FIND_COORDINATOR, 3, &answer), Some(expected));
        // An array with one coordinator, of the group `g`.
        let [answer, expected] = answers(&[0, 0, 0, 0, 0, 2, 2, b'g', 0, 0, 0, 1], &[0, 0, 0, 0, 0], true);
        assert_eq!(rewritten(FIND_COORDINATOR, 5, &answer), Some(expected));
    }

    #[test]
    fn what_is_not_there_stays_and_what_cannot_be_read_is_not_taken_for_an_answer() {
        // Not available: error 15, no message, node -1, no host, port -1.
        let none = [0, 0, 0, 0, 0, 15, 255, 255, 255, 255, 255, 255, 0, 0, 255, 255, 255, 255];
        assert_eq!(rewritten(FIND_COORDINATOR, 2, &none), Some(none.to_vec()));
        let [answer, _] = answers(&[0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1], &[255, 255], false);
        for length in 0..answer.len() {
            assert_eq!(rewritten(METADATA, 5, &answer[..length]), None, "{length} of {} bytes", answer.len());
        }
    }
}
