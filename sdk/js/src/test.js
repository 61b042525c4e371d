// For tests without WebAssembly: messages, and stand-ins for configuration, key-value store, other hosts and log.

import { HttpError } from "./http-error.js";
import { Message } from "./message.js";
import { attributesOf, headersOf, optionsOf } from "./pairs.js";
import { bytesOf } from "./utf8.js";
import { reset, world } from "./host/stand-in/world.js";

export { HttpError, reset };

const PARTS = ["id", "source", "position", "key", "headers", "attributes", "payload", "json", "timestampMs", "attempt"];

export function message(parts) {
  const { json, payload, key, headers, attributes, ...rest } = optionsOf(parts, "a message", PARTS);
  const body = json === undefined ? payload : JSON.stringify(json);
  return new Message({
    id: "test-message",
    source: "test",
    position: "0/0",
    timestampMs: 0,
    attempt: 1,
    ...rest,
    key: key === undefined || key === null ? null : bytesOf(key, "the key"),
    headers: headersOf(headers, "a message"),
    attributes: attributesOf(attributes, "a message"),
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
