// From what an author's function does to what the contract says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Deferred, Output, Permanent, Retryable, utf8 } from "cofferdam-sdk";
import { plugin } from "../src/plugin.js";
import { authorsPart, places } from "../src/stack.js";
import { describe } from "../src/log.js";

const GIVEN = {
  id: "m-1", source: "orders", position: "0/7", key: null, headers: [], attributes: [["type", "t"]],
  payload: utf8.encode("{}"), timestampMs: 5, attempt: 1,
};

function run(functions, given = GIVEN) {
  const reported = [];
  let released = 0;
  const host = { report: (error) => reported.push(error), ended: () => given.lost?.(), release: () => released++ };
  const exports = plugin(functions, host);
  const batch = Array.isArray(given);
  let ended;
  try {
    ended = { ok: batch ? exports.batchHandler.handleBatch(given) : exports.handler.handle(given) };
  } catch (thrown) {
    ended = "payload" in thrown ? { err: thrown.payload } : { bug: thrown };
  }
  assert.equal(released, 1, "handles are given back however it ends");
  return { ...ended, reported };
}

test("one output, several and none are lists of outputs", () => {
  const lowered = { to: "a", key: null, headers: [], attributes: [["type", "x"]], payload: utf8.encode("1") };
  const output = new Output("a", "1", { attributes: { type: "x" } });
  assert.deepEqual(run({ handle: () => output }).ok, [lowered]);
  assert.deepEqual(run({ handle: () => [output, output] }).ok, [lowered, lowered]);
  for (const none of [undefined, null, []]) assert.deepEqual(run({ handle: () => none }).ok, []);
});

test("headers and attributes that were set on an output are published or refused", () => {
  const set = (change) => {
    const output = new Output("a", "1");
    change(output);
    return run({ handle: () => output });
  };
  const { headers, attributes } = set((output) => Object.assign(output, { headers: { h: "1" }, attributes: { type: "x" } })).ok[0];
  assert.deepEqual([headers, attributes], [[{ name: "h", value: utf8.encode("1") }], [["type", "x"]]]);
  assert.match(set((output) => (output.attributes.type = "x")).reported[0].message, /are a Map: set "type" with \.set/);
  assert.match(set((output) => (output.attributes = 7)).reported[0].message, /must be an object, a Map, or pairs .*, not 7/);
});

test("a failure is what the contract has for it", () => {
  for (const [failure, kind, delay] of [
    [new Retryable("A", "b", { retryAfterMs: 1.5 }), "retryable", 2],
    [new Deferred("A", "b", { retryAfterMs: Infinity }), "deferred", Number.MAX_SAFE_INTEGER],
    [new Permanent("A", "b"), "permanent", null],
  ]) {
    const expected = { tag: kind, val: { code: "A", text: "b", retryAfterMs: delay } };
    assert.deepEqual(run({ handle: () => { throw failure; } }).err, expected);
    assert.deepEqual(run({ handle: () => failure }).err, expected);
  }
});

test("half a surrogate pair in a text does no harm", () => {
  const { err } = run({ handle: () => { throw Permanent.validation("\ud800"); } });
  assert.equal(err.val.text, "\ufffd");
});

test("whatever else is thrown or returned is reported and ends the attempt", () => {
  const odd = Object.assign(new Error("from elsewhere"), { payload: { tag: "permanent" } });
  for (const thrown of [new TypeError("a bug"), odd, "text", null, undefined, { payload: 1 }]) {
    const { bug, reported } = run({ handle: () => { throw thrown; } });
    assert.ok(bug instanceof Error && !("payload" in bug));
    assert.deepEqual(reported, [thrown]);
  }
  for (const returned of [{ to: "a" }, "a", [null], Promise.resolve()]) {
    assert.ok(run({ handle: () => returned }).reported[0] instanceof TypeError);
  }
  assert.match(run({ handle: async () => [] }).reported[0].message, /async/);
});

test("what was lost in a call that ended well is a bug, and a failure comes before it", () => {
  const lost = () => {
    throw new Error("lost");
  };
  assert.equal(run({ handle: () => {} }, { ...GIVEN, lost }).reported[0].message, "lost");
  assert.equal(run({ handle: () => new Permanent("A", "b") }, { ...GIVEN, lost }).err.tag, "permanent");
});

test("messages of a batch end each for itself", () => {
  const handleBatch = (messages) => messages.map(({ id }) => (id === "bad" ? new Permanent("A", "b") : new Output("a", id)));
  const { ok } = run({ handleBatch }, [{ ...GIVEN, id: "good" }, { ...GIVEN, id: "bad" }]);
  assert.deepEqual(ok.map(({ tag }) => tag), ["ok", "err"]);
  assert.equal(run({ handleBatch }, { ...GIVEN, id: "bad" }).err.tag, "permanent");
  assert.match(run({ handleBatch: () => [] }, [GIVEN]).reported[0].message, /for each of its 1 messages/);
});

test("a stack ends where the SDK begins, and names the author's files", () => {
  const { reported } = run({ handle: function mine() { throw new Error("a bug"); } });
  const stack = authorsPart(describe(reported[0]));
  assert.match(stack, /^Error: a bug\n +at mine .*plugin\.test\.js/);
  assert.doesNotMatch(stack, /src\/plugin\.js/);
  const caused = run({ handle: function mine() { throw new Error("outer", { cause: new Error("inner") }); } }).reported[0];
  assert.match(authorsPart(describe(caused)), /^Error: outer\n +at mine .*\ncaused by: Error: inner\n +at mine .*plugin\.test\.js[^\n]*$/);
  const refused = run({ handle: () => 5 }).reported[0];
  assert.equal(authorsPart(describe(refused)).split("\n").filter((line) => line.includes("src/plugin.js")).length, 0);
  const lowered = "Error: a\n    at load (src/handler.js:3)\n    at __async (componentize-qjs:user.js:7:14)\n    at handle (src/handler.js:4)";
  assert.equal(authorsPart(lowered), "Error: a\n    at load (src/handler.js:3)\n    at handle (src/handler.js:4)");
  const table = { files: ["src/handler.ts"], lines: [null, [0, 12]] };
  assert.equal(places("    at handle (componentize-qjs:user.js:2:5)", table), "    at handle (src/handler.ts:12)");
  assert.equal(places("    at handle (componentize-qjs:user.js:1:5)", table), "    at handle (componentize-qjs:user.js:1:5)");
});
