// What handlers rely on, shown on the stand-ins.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { config, http, keyvalue, log, Permanent, Retryable, utf8 } from "cofferdam-sdk";
import { answerHttp, failKeyvalueAfter, HttpError, logs, mendKeyvalue, reset, setConfig } from "cofferdam-sdk/test";

beforeEach(reset);

test("a missing value of the configuration defers the message and is named", () => {
  assert.throws(() => config.require("currency"), { kind: "deferred", code: "CONFIGURATION_MISSING", text: /"currency"/ });
  assert.equal(config.get("currency"), null);
  setConfig("currency", "EUR");
  assert.equal(config.require("currency"), "EUR");
  assert.deepEqual([...config.all()], [["currency", "EUR"]]);
});

test("a test sees the lines with their levels", () => {
  log.info("order", 7, { a: 1 });
  log.warn("late");
  assert.deepEqual(logs(), [{ level: "info", line: 'order 7 {"a":1}' }, { level: "warn", line: "late" }]);
  log.error(new Error("outer", { cause: new TypeError("inner") }));
  assert.match(logs()[2].line, /^Error: outer\n +at .*\ncaused by: TypeError: inner\n/s);
});

test("a value is read back, overwritten and removed", () => {
  const bucket = keyvalue.open("orders");
  assert.equal(bucket.get("k"), null);
  bucket.set("k", "one");
  bucket.set("k", Uint8Array.of(0xff));
  assert.deepEqual(bucket.get("k"), Uint8Array.of(0xff));
  assert.equal(keyvalue.open("others").get("k"), null);
  bucket.delete("k");
  bucket.delete("k");
  assert.equal(bucket.exists("k"), false);
});

test("a counter counts and refuses what is no number", () => {
  const bucket = keyvalue.open("orders");
  assert.deepEqual([bucket.increment("n", 2), bucket.increment("n", -5), bucket.increment("n")], [2, -3, -2]);
  assert.equal(bucket.getText("n"), "-2");
  bucket.set("text", "x");
  assert.throws(() => bucket.increment("text"), { kind: "retryable", code: "SERVICE_UNAVAILABLE" });
  assert.equal(bucket.getText("text"), "x");
  assert.throws(() => bucket.increment("n", 0.5), TypeError);
});

test("the first to set an absent key keeps it", () => {
  const bucket = keyvalue.open("orders");
  assert.equal(bucket.setIfAbsent("owner", "first"), null);
  assert.equal(utf8.decode(bucket.setIfAbsent("owner", "second")), "first");
  assert.equal(bucket.getText("owner"), "first");
});

test("a store that is away makes the message come again, and keeps what was written before", () => {
  const bucket = keyvalue.open("orders");
  failKeyvalueAfter(1);
  bucket.set("a", "1");
  assert.throws(() => bucket.set("b", "2"), Retryable);
  mendKeyvalue();
  assert.deepEqual([bucket.getText("a"), bucket.getText("b")], ["1", null]);
});

test("a request is sent as it was written, and answered", () => {
  answerHttp((request) => {
    assert.deepEqual(request.headers, [["content-type", utf8.encode("text/plain")]]);
    return { status: 201, headers: [["x-id", "7"]], body: `${request.method} ${request.url} ${utf8.decode(request.body)}` };
  });
  const answer = http.post("https://api.example.com/orders", "ä", { headers: { "content-type": "text/plain" } });
  assert.deepEqual([answer.status, answer.ok, answer.header("X-Id"), answer.text()], [201, true, "7", "POST https://api.example.com/orders ä"]);
});

test("headers of requests and answers are taken in every form, and anything else is refused", () => {
  for (const headers of [{ a: ["1", "2"] }, [["a", "1"], ["a", "2"]], [{ name: "a", value: "1" }, { name: "a", value: "2" }]]) {
    answerHttp((request) => {
      assert.deepEqual(request.headers, [["a", utf8.encode("1")], ["a", utf8.encode("2")]]);
      return { status: 200, headers };
    });
    assert.equal(http.get("https://api.example.com/", { headers }).header("A"), "2");
  }
  answerHttp(({ headers }) => ({ status: 200, headers }));
  assert.equal(http.get("https://api.example.com/", { headers: new Map([["a", "1"]]) }).header("a"), "1");
  assert.throws(() => http.get("https://api.example.com/", { headers: "a" }), /the headers of a request must be .*, not "a"/);
  assert.throws(() => http.get("https://api.example.com/", { header: {} }), /a request has no option "header"; it has headers and body/);
  assert.throws(() => http.post("https://api.example.com/", "", { body: "" }), /has no option "body"/);
});

test("a request without an answer ends the message as its reason says", () => {
  assert.throws(() => http.get("https://api.example.com/"), (error) => error instanceof Permanent && error.code === "CAPABILITY_DENIED");
  for (const [kind, end] of [
    ["invalid", { kind: "permanent", code: "VALIDATION_ERROR" }],
    ["timeout", { kind: "retryable", code: "TIMEOUT" }],
    ["unavailable", { kind: "retryable", code: "SERVICE_UNAVAILABLE" }],
  ]) {
    answerHttp(() => {
      throw new HttpError(kind);
    });
    assert.throws(() => http.get("https://api.example.com/"), end);
  }
});

test("an answer that is no JSON makes the message come again and says whose it is", () => {
  for (const [body, why] of [
    ["<html>", /is no JSON: ./],
    ["", /is no JSON: ./],
    [Uint8Array.of(0x22, 0xff), /is no text: no UTF-8 at byte 1/],
    ['"\\ud83d"', /is no JSON: half of a surrogate pair/],
  ]) {
    answerHttp(() => ({ status: 502, body }));
    const answer = http.get("https://user:secret@api.example.com:8443/rates?key=secret");
    assert.throws(() => answer.json(), (error) => {
      assert.ok(error instanceof Retryable && error.code === "INVALID_RESPONSE");
      assert.match(error.text, why);
      assert.match(error.text, /^the answer of api\.example\.com with status 502 is no /);
      return true;
    });
  }
});

test("a reset forgets everything", () => {
  setConfig("a", "b");
  log.info("line");
  keyvalue.open("c").set("k", "v");
  failKeyvalueAfter(0);
  reset();
  assert.deepEqual([config.get("a"), logs(), keyvalue.open("c").get("k")], [null, [], null]);
});
