// What is noted of promises. That the engine runs no callback is shown in a component.

import assert from "node:assert/strict";
import { test } from "node:test";
import { watched } from "../src/promises.js";

function ended(work) {
  const promises = watched(globalThis.Promise);
  const made = work(promises.Promise);
  for (const promise of [made].flat()) globalThis.Promise.prototype.then.call(promise, undefined, () => {}); // for node
  try {
    return promises.ended()?.message ?? null;
  } catch (error) {
    return error;
  }
}

test("a rejection that nobody hears of is thrown", () => {
  const error = new Error("lost");
  for (const work of [
    (Promise) => Promise.reject(error),
    (Promise) => new Promise((_, reject) => reject(error)),
    (Promise) => new Promise(() => { throw error; }),
    (Promise) => { const { promise, reject } = withResolvers(Promise); reject(error); return promise; },
    (Promise) => [Promise.reject(error), Promise.reject(new Error("second"))],
  ]) {
    assert.equal(ended(work), error);
  }
});

test("a promise that is kept is no news, and one that is waited for is", () => {
  assert.equal(ended((Promise) => Promise.resolve(1)), null);
  assert.equal(ended((Promise) => new Promise((resolve) => { resolve(1); throw new Error("too late"); })), null);
  for (const work of [
    (Promise) => Promise.resolve(1).then(() => {}),
    (Promise) => Promise.reject(new Error("heard of")).catch(() => {}),
    (Promise) => Promise.resolve(1).finally(() => {}),
  ]) {
    assert.match(ended(work), /never runs: a handler is not async/);
  }
});

test("what one call lost is not told of the next", () => {
  const promises = watched(globalThis.Promise);
  promises.Promise.reject(new Error("lost")).catch(() => {});
  promises.forget();
  assert.equal(promises.ended(), null);
});

function withResolvers(Promise) {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
