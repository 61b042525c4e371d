// UTF-8 without TextEncoder and TextDecoder, which QuickJS does not have.

const BEYOND_ASCII = /[\x80-\xff]/;

/** Arguments of one call of `String.fromCharCode`: each takes room on the guest's stack. */
const CHUNK = 4096;

/** The text of bytes in UTF-8; throws a RangeError that says where it is none. */
export function decode(bytes) {
  let latin1 = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    latin1 += String.fromCharCode.apply(null, bytes.subarray(start, start + CHUNK));
  }
  if (!BEYOND_ASCII.test(latin1)) return latin1;
  try {
    // The engine's own decoder, which is strict and many times faster than a loop that is interpreted.
    return decodeURIComponent(escape(latin1));
  } catch {
    throw new RangeError(`no UTF-8 at byte ${firstFault(bytes)}`);
  }
}

/** The bytes of a text in UTF-8; half a surrogate pair becomes U+FFFD. */
export function encode(text) {
  const bytes = new Uint8Array(lengthOf(text));
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const code = codeAt(text, index);
    if (code < 0x80) {
      bytes[at++] = code;
    } else if (code < 0x800) {
      bytes[at++] = 0xc0 | (code >> 6);
      bytes[at++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      bytes[at++] = 0xe0 | (code >> 12);
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[at++] = 0x80 | (code & 0x3f);
    } else {
      index++;
      bytes[at++] = 0xf0 | (code >> 18);
      bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[at++] = 0x80 | (code & 0x3f);
    }
  }
  return bytes;
}

/** Bytes of what an author may give for bytes: text, or bytes, which are taken as they are. */
export function bytesOf(value, what) {
  if (typeof value === "string") return encode(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${what} must be a string or a Uint8Array`);
}

function lengthOf(text) {
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    const code = codeAt(text, index);
    if (code >= 0x10000) index++;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

function codeAt(text, index) {
  const code = text.charCodeAt(index);
  if (code < 0xd800 || code > 0xdfff) return code;
  const whole = text.codePointAt(index);
  return whole >= 0x10000 ? whole : 0xfffd;
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
