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

test("headers and attributes are taken in every form of pairs", () => {
  const pairs = (output) => output.headers.map(({ name, value }) => [name, utf8.decode(value)]);
  for (const headers of [{ a: "b", c: "d" }, [["a", "b"], ["c", "d"]], new Map([["a", "b"], ["c", "d"]]), message({ headers: { a: "b", c: "d" } }).headers]) {
    assert.deepEqual(pairs(Output.json("out", 1, { headers })), [["a", "b"], ["c", "d"]]);
    assert.deepEqual(pairs(message({ headers })), [["a", "b"], ["c", "d"]]);
  }
  assert.deepEqual(pairs(Output.json("out", 1, { headers: { a: ["b", utf8.encode("c")] } })), [["a", "b"], ["a", "c"]]);
  for (const attributes of [{ type: "t" }, [["type", "t"]], new Map([["type", "t"]]), Object.assign(Object.create(null), { type: "t" })]) {
    assert.deepEqual([...Output.json("out", 1, { attributes }).attributes], [["type", "t"]]);
    assert.deepEqual([...message({ attributes }).attributes], [["type", "t"]]);
  }
});

test("what is no form of pairs is refused by its name and never dropped", () => {
  for (const [options, named] of [
    [{ headers: "ab" }, 'the headers of an output must be an object, a Map, or pairs [name, value], not "ab"'],
    [{ headers: 7 }, "not 7"],
    [{ headers: new Date(0) }, "not an object of type Date"],
    [{ headers: ["ab"] }, 'one of the headers of an output must be a pair [name, value], not "ab"'],
    [{ headers: [["a", "b", "c"]] }, 'not ["a","b","c"]'],
    [{ headers: { a: 1 } }, 'the header "a" of an output must be a string or a Uint8Array, not 1'],
    [{ headers: { a: null } }, 'the header "a" of an output must be a string or a Uint8Array, not null'],
    [{ attributes: { n: 1 } }, 'the attribute "n" of an output must be a string, not 1'],
    [{ attributes: { n: ["a"] } }, 'the attribute "n" of an output must be a string, not ["a"]'],
    [{ attributes: [["a", "1"], ["a", "2"]] }, 'the attribute "a" of an output is given twice'],
    [{ header: { a: "b" } }, 'an output has no option "header"; it has key, headers and attributes'],
    ["key", 'the options of an output must be an object with key, headers and attributes, not "key"'],
  ]) {
    assert.throws(() => Output.json("out", 1, options), (error) => error instanceof TypeError && error.message.includes(named), named);
  }
  assert.throws(() => message({ jsn: 1 }), /a message has no option "jsn"/);
  assert.throws(() => cloudevents.output("out", { type: "t" }, { attributes: { a: "b" } }), /no option "attributes"/);
  assert.throws(() => cloudevents.output("out", { type: "t", subject: {} }), /the attribute "subject" of an event must be a string/);
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
