// Compiled only: what authors write has the types they expect, and what cannot work is refused.

import { cloudevents, config, Deferred, Failure, http, keyvalue, log, Message, Output, Permanent, Retryable, utf8 } from "cofferdam-sdk";
import type { BatchHandler, Handler } from "cofferdam-sdk";
import * as test from "cofferdam-sdk/test";

interface Order {
  id: string;
  total: number;
}

export const handle: Handler = (message) => {
  const order = message.json<Order>();
  if (order.total < 0) throw Permanent.validation("the total is negative");
  const seen: Uint8Array | null = keyvalue.open("orders").setIfAbsent(order.id, message.id);
  if (seen !== null) return;
  const rates = http.get("https://api.example.com/rates", { headers: { accept: "application/json" } });
  if (rates.status === 429) throw new Retryable("RATE_LIMITED", "later", { retryAfterMs: 3000 });
  log.info("order", order.id, config.require("currency"), rates.json<number>());
  return [
    Output.json("billable", order, { key: order.id, headers: [["a", "b"], ...message.headers], attributes: message.attributes }),
    new Output("raw", utf8.encode("x")),
    cloudevents.output("events", { type: "com.example.paid", subject: order.id, data: order }),
    Output.copyOf(message, "copies"),
  ];
};

export const handleBatch: BatchHandler = (messages) =>
  messages.map((message) => (message.attempt > 1 ? new Deferred("TOO_EARLY", "not yet") : new Output("out", message.text())));

export function theTestModule(): Message {
  test.setConfig("currency", "EUR");
  test.answerHttp(({ url }) => ({ status: 200, headers: [], body: url }));
  const failure: Failure = new Permanent("A", "b");
  test.logs().map(({ level, line }) => `${level} ${line} ${failure.code}`);
  return test.message({ json: { total: 1 }, key: "k", attempt: 2 });
}

export const pairs = [
  Output.json("out", 1, { headers: { a: "b", c: ["d", utf8.encode("e")] }, attributes: [["type", "t"]] }),
  Output.json("out", 1, { headers: new Map([["a", "b"]]), attributes: new Map([["type", "t"]]) }),
  test.message({ headers: { a: "b" } }),
];
// @ts-expect-error an attribute that is no string
Output.json("out", 1, { attributes: { n: 1 } });
// @ts-expect-error headers that are neither an object nor pairs
Output.json("out", 1, { headers: 7 });

// @ts-expect-error a handler is not async
export const asynchronous: Handler = async () => {};
// @ts-expect-error a permanent failure has no delay
new Permanent("A", "b", { retryAfterMs: 1 });
// @ts-expect-error a payload that is no text and no bytes
new Output("out", { total: 1 });
