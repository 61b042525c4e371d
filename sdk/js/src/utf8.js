// UTF-8 without TextEncoder and TextDecoder, which QuickJS does not have. What can be done by functions of the engine is
// done by them, old as some are: they are many times faster than a loop that is interpreted.

import { shown } from "./shown.js";

const ASCII = /^[\x00-\x7f]*$/;

/** Bytes decoded at a time: each is an argument of a call, which takes room on the guest's stack. */
const PIECE = 4096;

/** The text of bytes in UTF-8; throws a RangeError that says where it is none. */
export function decode(bytes) {
  let text = "";
  for (let start = 0, end; start < bytes.length; start = end) {
    end = endOfPiece(bytes, start);
    const latin1 = String.fromCharCode.apply(null, bytes.subarray(start, end));
    try {
      text += ASCII.test(latin1) ? latin1 : decodeURIComponent(escape(latin1)); // strict, as it has to be
    } catch {
      throw new RangeError(`no UTF-8 at byte ${firstFault(bytes)}`);
    }
  }
  return text;
}

/** The bytes of a text in UTF-8; half a surrogate pair becomes U+FFFD. */
export function encode(text) {
  const latin1 = ASCII.test(text) ? text : unescape(encodeURIComponent(text.toWellFormed()));
  // QuickJS can do it without a loop, node 20 cannot.
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(btoa(latin1));
  const bytes = new Uint8Array(latin1.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = latin1.charCodeAt(at);
  return bytes;
}

/** Bytes of what an author may give for bytes: text, or bytes, which are taken as they are. */
export function bytesOf(value, what) {
  if (typeof value === "string") return encode(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${what} must be a string or a Uint8Array, not ${shown(value)}`);
}

/** No sequence is cut in two: its bytes after the first begin with the bits 10, and there are three at most. */
function endOfPiece(bytes, start) {
  const full = start + PIECE;
  if (full >= bytes.length) return bytes.length;
  let end = full;
  while (end > full - 3 && (bytes[end] & 0xc0) === 0x80) end--;
  return end;
}

/** Where the first sequence begins that is no UTF-8. */
function firstFault(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceAt(bytes, at);
    if (length === 0) return at;
    at += length;
  }
  return bytes.length;
}

function sequenceAt(bytes, at) {
  const [first, second] = [bytes[at], bytes[at + 1]];
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  for (let next = 1; next < length; next++) {
    if ((bytes[at + next] & 0xc0) !== 0x80) return 0;
  }
  // Forms that are too long, halves of surrogate pairs, and what is beyond U+10FFFF.
  const refused =
    (first === 0xe0 && second < 0xa0) ||
    (first === 0xed && second > 0x9f) ||
    (first === 0xf0 && second < 0x90) ||
    (first === 0xf4 && second > 0x8f);
  return refused ? 0 : length;
}
