import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "../src/utf8.js";

const TEXTS = ["", "plain", "äöü", "€", "😀", "a😀ä€\u0000\uffff", "x".repeat(10_000), "ä€😀".repeat(5_000), "\ufeffmark"];

test("what is encoded is what the platform encodes, and comes back", () => {
  const platform = new TextEncoder();
  for (const text of TEXTS) {
    const bytes = encode(text);
    assert.deepEqual(bytes, platform.encode(text));
    assert.equal(decode(bytes), text);
  }
});

test("a piece ends between two characters, wherever they lie", () => {
  for (let before = 4090; before <= 4100; before++) {
    for (const text of ["ä", "€", "😀"]) {
      const long = "x".repeat(before) + text.repeat(5000);
      assert.equal(decode(new TextEncoder().encode(long)), long);
    }
  }
});

test("half a surrogate pair becomes the replacement character", () => {
  for (const text of ["\ud800", "a\udc00b", "\ud83dx", "\udc00\ud800"]) {
    assert.deepEqual(encode(text), new TextEncoder().encode(text));
  }
});

test("every sequence of up to three bytes at the borders is judged as the platform judges it", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const borders = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff];
  const outcome = (decoder) => {
    try {
      return decoder();
    } catch {
      return null;
    }
  };
  for (const a of borders) {
    for (const b of borders) {
      for (const c of borders) {
        for (const bytes of [[a], [a, b], [a, b, c], [a, b, c, 0x80], [0x41, a, b, c, 0xbf]].map((list) => Uint8Array.from(list))) {
          assert.equal(outcome(() => decode(bytes)), outcome(() => strict.decode(bytes)), `${bytes}`);
        }
      }
    }
  }
});

test("a fault says at which byte", () => {
  for (const [bytes, at] of [[[0x61, 0xff], 1], [[0xc3, 0xa4, 0xe2, 0x82], 2], [[0xed, 0xa0, 0x80], 0], [[0xf0, 0x9f, 0x98, 0x80, 0xc0, 0x80], 4]]) {
    assert.throws(() => decode(Uint8Array.from(bytes)), new RangeError(`no UTF-8 at byte ${at}`));
  }
});
