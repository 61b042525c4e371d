//! Parses requests and responses of one connection to a Kafka broker, as far as the proxy needs it.

use std::collections::VecDeque;
use std::mem;

use super::addresses::{FIND_COORDINATOR, METADATA, rewrite};
use crate::broker::verify::{Exchange, Passed};

/// Requests that change something at the broker: Produce, OffsetCommit, JoinGroup, Heartbeat, LeaveGroup, SyncGroup,
/// InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit. The proxy drops responses to these,
/// because a client without a response does not know whether the change was made.
const WORK: [i16; 11] = [0, 8, 11, 12, 13, 14, 22, 24, 25, 26, 28];

/// The number of bytes that identify a request: length, API key, version, correlation id.
const REQUEST_HEAD: usize = 12;
/// The number of bytes that identify a response: length, correlation id.
const ANSWER_HEAD: usize = 8;

/// One connection to a Kafka broker.
#[derive(Debug, Default)]
pub(super) struct Kafka {
    requests: Requests,
    answers: Answers,
    /// The unanswered requests.
    asked: VecDeque<Request>,
}

impl Exchange for Kafka {
    fn note(&mut self, bytes: &[u8]) {
        self.requests.note(bytes, &mut self.asked);
    }

    fn pass(&mut self, bytes: Vec<u8>, loses: bool, door: &mut dyn FnMut(&str, u16) -> Option<u16>) -> Passed {
        self.answers.pass(&bytes, &mut self.asked, loses, door)
    }
}

/// An unanswered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Request {
    key: i16,
    version: i16,
    correlation: i32,
}

/// Parser of the requests of a client.
#[derive(Debug, Default)]
struct Requests {
    head: Vec<u8>,
    /// The number of remaining bytes of the current request.
    left: usize,
}

impl Requests {
    /// Notes the requests that begin in these bytes.
    fn note(&mut self, mut bytes: &[u8], asked: &mut VecDeque<Request>) {
        while !bytes.is_empty() {
            let is_head = self.left == 0;
            let length = if is_head { REQUEST_HEAD - self.head.len() } else { self.left };
            let (now, later) = bytes.split_at(length.min(bytes.len()));
            bytes = later;
            if !is_head {
                self.left -= now.len();
                continue;
            }
            self.head.extend_from_slice(now);
            if let [a, b, c, d, e, f, g, h, i, j, k, l] = self.head[..] {
                let (key, version) = (i16::from_be_bytes([e, f]), i16::from_be_bytes([g, h]));
                asked.push_back(Request { key, version, correlation: i32::from_be_bytes([i, j, k, l]) });
                self.left = frame([a, b, c, d]).saturating_sub(REQUEST_HEAD);
                self.head.clear();
            }
        }
    }
}

/// Parser of the responses of a broker.
#[derive(Debug, Default)]
struct Answers {
    /// The first bytes of a response; of a response with addresses, all bytes so far.
    held: Vec<u8>,
    /// The number of remaining bytes of a response that are forwarded unchanged.
    left: usize,
    /// Set if `held` is a response with addresses: its request, and its length.
    whole: Option<(Request, usize)>,
}

impl Answers {
    /// Processes bytes on their way to the client. `asked` contains the unanswered requests; `door` returns the local
    /// port for a broker.
    fn pass(
        &mut self,
        mut bytes: &[u8],
        asked: &mut VecDeque<Request>,
        loses: bool,
        mut door: impl FnMut(&str, u16) -> Option<u16>,
    ) -> Passed {
        let mut passed = Passed::default();
        while !bytes.is_empty() {
            if self.left > 0 {
                let now = take(&mut bytes, self.left);
                self.left -= now.len();
                passed.bytes.extend_from_slice(now);
                continue;
            }
            let length = self.whole.map_or(ANSWER_HEAD, |(_, length)| length);
            let now = take(&mut bytes, length - self.held.len());
            self.held.extend_from_slice(now);
            if self.held.len() < length {
                continue;
            }
            if let Some((request, _)) = self.whole.take() {
                let answer = mem::take(&mut self.held);
                match rewrite(request.key, request.version, &answer[ANSWER_HEAD..], &mut door) {
                    Some(body) => {
                        passed.bytes.extend(u32::try_from(body.len() + 4).expect("it was a length").to_be_bytes());
                        passed.bytes.extend_from_slice(&answer[4..ANSWER_HEAD]);
                        passed.bytes.extend(body);
                    }
                    None => {
                        passed.unread += 1;
                        passed.bytes.extend(answer);
                    }
                }
                continue;
            }
            let [a, b, c, d, e, f, g, h] = self.held[..] else { unreachable!("a head is complete") };
            let length = frame([a, b, c, d]);
            match answered(asked, i32::from_be_bytes([e, f, g, h])) {
                Some(request) if loses && WORK.contains(&request.key) => {
                    passed.lost = true;
                    return passed;
                }
                Some(request) if [METADATA, FIND_COORDINATOR].contains(&request.key) && length > ANSWER_HEAD => {
                    self.whole = Some((request, length));
                }
                _ => {
                    self.left = length.saturating_sub(ANSWER_HEAD);
                    passed.bytes.append(&mut self.held);
                }
            }
        }
        passed
    }
}

/// Removes and returns the request that this response answers. Earlier requests have no response.
fn answered(asked: &mut VecDeque<Request>, correlation: i32) -> Option<Request> {
    let place = asked.iter().position(|request| request.correlation == correlation)?;
    asked.drain(..=place).next_back()
}

/// Returns the size of a request or response with this length field, in bytes.
fn frame(length: [u8; 4]) -> usize {
    usize::try_from(i32::from_be_bytes(length)).unwrap_or(0) + 4
}

fn take<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (now, later) = bytes.split_at(most.min(bytes.len()));
    *bytes = later;
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: i16, version: i16, correlation: i32, rest: &[u8]) -> Vec<u8> {
        let length = (8 + rest.len()) as i32;
        let head = [&length.to_be_bytes()[..], &key.to_be_bytes(), &version.to_be_bytes(), &correlation.to_be_bytes()];
        [head.concat(), rest.to_vec()].concat()
    }

    fn answer(correlation: i32, rest: &[u8]) -> Vec<u8> {
        [&((4 + rest.len()) as i32).to_be_bytes()[..], &correlation.to_be_bytes(), rest].concat()
    }

    /// One broker, node 1, at `b:9092` or at the rewritten address, and no topics.
    fn metadata(host: &str, port: i32) -> Vec<u8> {
        let head = [0, 0, 0, 1, 0, 0, 0, 1, 0, host.len() as u8];
        [&head[..], host.as_bytes(), &port.to_be_bytes(), &[0; 4]].concat()
    }

    #[test]
    fn answers_go_on_byte_by_byte_and_those_with_addresses_are_rewritten() {
        let sent = [request(18, 3, 1, b"client"), request(METADATA, 0, 2, b""), request(0, 7, 3, b"records")].concat();
        let received = [answer(1, b"versions"), answer(2, &metadata("b", 9092)), answer(3, b"offset")].concat();
        let expected = [answer(1, b"versions"), answer(2, &metadata("127.0.0.1", 4000)), answer(3, b"offset")].concat();
        for piece in [1, 3, 7, 1000] {
            let (mut requests, mut answers, mut asked) = (Requests::default(), Answers::default(), VecDeque::new());
            sent.chunks(piece).for_each(|bytes| requests.note(bytes, &mut asked));
            assert_eq!(
                asked.iter().map(|it| (it.key, it.version)).collect::<Vec<_>>(),
                [(18, 3), (METADATA, 0), (0, 7)]
            );
            let mut out = Vec::new();
            for bytes in received.chunks(piece) {
                let passed = answers.pass(bytes, &mut asked, false, |_, _| Some(4000));
                assert!(!passed.lost && passed.unread == 0);
                out.extend(passed.bytes);
            }
            assert_eq!(out, expected, "in pieces of {piece}");
            assert!(asked.is_empty());
        }
    }

    #[test]
    fn an_answer_is_lost_only_where_something_was_done_and_what_stands_before_it_arrives() {
        let (mut requests, mut answers, mut asked) = (Requests::default(), Answers::default(), VecDeque::new());
        let sent = [request(18, 0, 1, b""), request(0, 9, 2, b""), request(26, 3, 3, b"")].concat();
        requests.note(&sent, &mut asked);
        // The second request has no response (`acks=0`).
        let received = [answer(1, b"versions"), answer(3, b"ended")].concat();
        let passed = answers.pass(&received, &mut asked, true, |_, _| None);
        assert_eq!(passed, Passed { bytes: answer(1, b"versions"), lost: true, unread: 0 });
    }

    #[test]
    fn an_answer_that_cannot_be_read_goes_on_and_is_counted() {
        let mut asked = VecDeque::from([Request { key: METADATA, version: 0, correlation: 5 }]);
        let received = answer(5, &[0, 0, 0, 9, 1]);
        let passed = Answers::default().pass(&received, &mut asked, false, |_, _| Some(1));
        assert_eq!(passed, Passed { bytes: received, lost: false, unread: 1 });
    }
}
