import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudevents, Output, Permanent, utf8 } from "cofferdam-sdk";
import { message } from "cofferdam-sdk/test";

test("a value without a JSON form is a permanent failure", () => {
  const cycle = {};
  cycle.cycle = cycle;
  for (const value of [cycle, 1n, undefined, () => {}]) {
    assert.throws(() => Output.json("a", value), (error) => error instanceof Permanent && error.code === "SERIALIZATION_FAILED");
  }
  assert.equal(utf8.decode(Output.json("a", null).payload), "null");
});

test("a copy keeps key, headers, attributes and payload", () => {
  const original = message({ key: "k", headers: [["h", "1"], ["h", "2"]], attributes: { a: "b" }, payload: Uint8Array.of(0xff) });
  const copy = Output.copyOf(original, "elsewhere");
  assert.equal(copy.to, "elsewhere");
  assert.deepEqual([copy.key, copy.headers, copy.payload], [original.key, original.headers, original.payload]);
  assert.deepEqual(copy.attributes, original.attributes);
  assert.equal(Output.copyOf(message(), "elsewhere").payload, null);
});

test("bytes are counted as the host counts them", () => {
  const output = new Output("ignored", "12345", { key: "k", headers: [["ab", "c"]], attributes: { d: "ef" } });
  assert.equal(output.countedBytes, 5 + 1 + (3 + 32) + (3 + 32));
});

test("what is neither text nor bytes is refused where it is given", () => {
  assert.throws(() => new Output("a", { total: 1 }), TypeError);
  assert.throws(() => new Output("a", "", { key: 7 }), TypeError);
  assert.throws(() => new Output({ total: 1 }), TypeError);
});

test("an event has its attributes and its data", () => {
  const output = cloudevents.output("out", { type: "paid", subject: "o-1", time: undefined, data: { a: 1 }, entityid: 7 }, { key: "k" });
  assert.deepEqual([...output.attributes], [["type", "paid"], ["subject", "o-1"], ["entityid", "7"]]);
  assert.equal(utf8.decode(output.payload), '{"a":1}');
  assert.equal(utf8.decode(output.key), "k");
  assert.throws(() => cloudevents.output("out", { type: "paid", entity_id: "7" }), { code: "INVALID_EVENT" });
});

test("a message is read as an event", () => {
  const event = cloudevents.read(message({ id: "e-1", attributes: { type: "paid", subject: "o-1" }, json: { a: 1 } }));
  assert.deepEqual([event.id, event.type, event.subject, event.data()], ["e-1", "paid", "o-1", { a: 1 }]);
  assert.throws(() => cloudevents.read(message()), { code: "VALIDATION_ERROR" });
});
