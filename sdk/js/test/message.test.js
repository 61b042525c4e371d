import assert from "node:assert/strict";
import { test } from "node:test";
import { Permanent } from "cofferdam-sdk";
import { message } from "cofferdam-sdk/test";

const refused = (text) => (error) =>
  error instanceof Permanent && error.code === "VALIDATION_ERROR" && text.test(error.text);

test("a payload that is no JSON is a permanent validation error that says why", () => {
  assert.throws(() => message({ payload: "nonsense" }).json(), refused(/^the payload is no JSON: ./));
  assert.throws(() => message({ payload: "" }).json(), refused(/no JSON/));
  assert.throws(() => message({ payload: Uint8Array.of(0x22, 0xff) }).json(), refused(/no UTF-8 at byte 1/));
  for (const half of ['"\\ud83d"', '{"a": ["\\uDE00"]}', '{"\\udc00": 1}']) {
    assert.throws(() => message({ payload: half }).json(), refused(/half of a surrogate pair/));
  }
  assert.equal(message({ payload: '"\\ud83d\\ude00"' }).json(), "😀");
  assert.deepEqual(message({ json: { a: ["ä"] } }).json(), { a: ["ä"] });
});

test("a tombstone is told from an empty payload", () => {
  assert.equal(message({ payload: "" }).text(), "");
  assert.throws(() => message().text(), refused(/tombstone/));
});

test("the last of repeated headers counts, letter case aside", () => {
  const two = message({ headers: [["trace", "a"], ["Trace", "b"]] });
  assert.equal(two.headerText("TRACE"), "b");
  assert.equal(two.header("traces"), null);
  assert.equal(two.headers.length, 2);
});

test("a key that is no text is there as bytes", () => {
  assert.equal(message({ key: "ö" }).keyText, "ö");
  assert.equal(message({ key: "" }).keyText, "");
  assert.equal(message().keyText, null);
  const bytes = message({ key: Uint8Array.of(0xff) });
  assert.deepEqual([bytes.keyText, bytes.key], [null, Uint8Array.of(0xff)]);
});

test("a missing attribute is named", () => {
  const event = message({ attributes: { type: "t" } });
  assert.equal(event.attribute("type"), "t");
  assert.equal(event.attribute("constructor"), null);
  assert.throws(() => event.requiredAttribute("subject"), refused(/"subject"/));
});

test("the timestamp is a date", () => {
  assert.equal(message({ timestampMs: 1_700_000_000_000 }).timestamp.toISOString(), "2023-11-14T22:13:20.000Z");
});
