// What authors and packages expect to be there and QuickJS does not have.

import random from "wasi:random/random@0.2.12";
import * as log from "./log.js";
import { watched } from "./promises.js";
import { decode, encode } from "./utf8.js";

let loading = true;

/** The module has been loaded, which happens when the plugin is built: from now on there is a host. */
export function loaded() {
  loading = false;
  promises.forget();
  globalThis.queueMicrotask = promises.queueMicrotask;
}

export const promises = watched(Promise);
globalThis.Promise = promises.Promise;

const line = (write) => (...values) => {
  if (!loading) write(...values);
};

globalThis.console ??= {
  trace: line(log.trace),
  debug: line(log.debug),
  log: line(log.info),
  info: line(log.info),
  warn: line(log.warn),
  error: line(log.error),
};

globalThis.TextEncoder ??= class TextEncoder {
  encoding = "utf-8";
  encode(text = "") {
    return encode(String(text));
  }
};

globalThis.TextDecoder ??= class TextDecoder {
  encoding = "utf-8";
  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`no encoding ${label} here, only utf-8`);
  }
  /** Bytes that are no UTF-8 are an error, as with `fatal: true`. */
  decode(bytes = new Uint8Array(0)) {
    const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
    try {
      return decode(view);
    } catch (error) {
      throw new TypeError(error.message);
    }
  }
};

globalThis.crypto ??= {
  getRandomValues(array) {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(random.getRandomBytes(array.byteLength));
    return array;
  },
  randomUUID() {
    const bytes = random.getRandomBytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  },
};

// The engine's own generator is seeded when the plugin is built: every instance would draw the same numbers.
Math.random = () => {
  const bytes = random.getRandomBytes(7);
  bytes[6] &= 0x1f;
  let number = 0;
  for (const byte of bytes.reverse()) number = number * 256 + byte;
  return number / 2 ** 53;
};
