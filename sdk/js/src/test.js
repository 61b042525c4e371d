// For tests without WebAssembly: messages, and stand-ins for configuration, key-value store, other hosts and log.

import { HttpError } from "./http-error.js";
import { Message } from "./message.js";
import { bytesOf } from "./utf8.js";
import { reset, world } from "./host/stand-in/world.js";

export { HttpError, reset };

export function message({ json, payload, key, headers, attributes, ...rest } = {}) {
  const body = json === undefined ? payload : JSON.stringify(json);
  return new Message({
    id: "test-message",
    source: "test",
    position: "0/0",
    timestampMs: 0,
    attempt: 1,
    ...rest,
    key: key === undefined || key === null ? null : bytesOf(key, "the key"),
    headers: (headers ?? []).map(([name, value]) => ({ name, value: bytesOf(value, "a header") })),
    attributes: Object.entries(attributes ?? {}),
    payload: body === undefined || body === null ? null : bytesOf(body, "the payload"),
  });
}

export function setConfig(name, value) {
  world.config.set(name, String(value));
}

export function failKeyvalueAfter(operations) {
  world.operationsLeft = operations;
}

export function mendKeyvalue() {
  world.operationsLeft = Infinity;
}

export function answerHttp(answer) {
  world.answerHttp = answer;
}

export function logs() {
  return world.logs.map((line) => ({ ...line }));
}
