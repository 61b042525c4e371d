import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { type Message, utf8 } from "cofferdam-sdk";
import { logs, message, reset, setConfig } from "cofferdam-sdk/test";
import { handle } from "../src/enrich.js";

const item = { sku: "a", quantity: 2, cents: 250 };
const order = (changed: object) =>
  message({ json: { order: "o-1", customer: "Ada <&> Söhne", country: "DE", items: [item], ...changed } });

beforeEach(() => {
  reset();
  setConfig("vat.DE", "19");
  setConfig("free_shipping_cents", "500");
});

test("an order gets its VAT and shipping", () => {
  const output = handle(order({}));
  assert.equal(output.to, "enriched");
  assert.equal(utf8.decode(output.key!), "o-1");
  assert.deepEqual(output.headers, [{ name: "schema", value: utf8.encode("order/2") }]);
  assert.equal(
    utf8.decode(output.payload!),
    '{"order":"o-1","customer":"Ada <&> Söhne","country":"DE",' +
      '"items":[{"sku":"a","quantity":2,"cents":250,"total_cents":500}],"total_cents":500,"vat_cents":95,"shipping":"free"}',
  );
  assert.deepEqual(logs(), [{ level: "info", line: "order o-1: 595 cents with vat" }]);
});

test("what is no order is refused for good", () => {
  const refused: [Message, string][] = [
    [message({ payload: "no JSON" }), "VALIDATION_ERROR"],
    [order({ items: [] }), "VALIDATION_ERROR"],
    [order({ items: [null] }), "VALIDATION_ERROR"],
    [order({ items: [{ ...item, quantity: 0 }] }), "VALIDATION_ERROR"],
    [order({ items: [{ ...item, cents: -1 }] }), "VALIDATION_ERROR"],
    [order({ country: "XX" }), "UNKNOWN_COUNTRY"],
  ];
  for (const [wrong, code] of refused) assert.throws(() => handle(wrong), { kind: "permanent", code });
});
