import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "cofferdam-sdk";
import { message } from "cofferdam-sdk/test";
import { handle } from "../src/handler.js";

const order = (items: unknown) => message({ json: { order: "o-1", customer: "Ada", items } });

test("an order is added up", () => {
  const output = handle(order([{ sku: "a", quantity: 2, price: 2.5 }, { sku: "b", quantity: 1, price: 0.1 }]));
  assert.equal(output.to, "out");
  assert.equal(utf8.decode(output.key!), "o-1");
  assert.deepEqual(JSON.parse(utf8.decode(output.payload!)), { order: "o-1", customer: "Ada", total: 5.1 });
});

test("an order that cannot be right is refused for good", () => {
  for (const wrong of [order([]), order(undefined), order([{ sku: "a", quantity: 0, price: 1 }]), message({ payload: "{" }), message({ json: null })]) {
    assert.throws(() => handle(wrong), { kind: "permanent", code: "VALIDATION_ERROR" });
  }
});
