// What a handler asks the host to publish.

import { Permanent } from "./failure.js";
import { bytesOf, encode } from "./utf8.js";

export class Output {
  constructor(to, payload, { key, headers, attributes } = {}) {
    if (typeof to !== "string") throw new TypeError("the first argument of an output is the name of an output of the route");
    this.to = to;
    this.key = key === undefined || key === null ? null : bytesOf(key, "the key of an output");
    this.headers = Array.from(headers ?? [], headerOf);
    this.attributes = new Map(attributes instanceof Map ? attributes : Object.entries(attributes ?? {}));
    this.payload = payload === undefined || payload === null ? null : bytesOf(payload, "the payload of an output");
  }

  static json(to, value, options) {
    return new Output(to, jsonOf(to, value), options);
  }

  static tombstone(to, options) {
    return new Output(to, null, options);
  }

  static copyOf(message, to) {
    const { key, headers, attributes, payload } = message;
    return new Output(to, payload, { key, headers, attributes });
  }

  /** What this takes of the limit `output_bytes`, counted as the host counts it. */
  get countedBytes() {
    const pair = (name, value) => encode(name).length + value.length + 32;
    let bytes = (this.key?.length ?? 0) + (this.payload?.length ?? 0);
    for (const { name, value } of this.headers) bytes += pair(name, value);
    for (const [name, value] of this.attributes) bytes += pair(name, encode(value));
    return bytes;
  }
}

function headerOf(header) {
  const [name, value] = Array.isArray(header) ? header : [header.name, header.value];
  return { name, value: bytesOf(value, `the header ${JSON.stringify(name)}`) };
}

function jsonOf(to, value) {
  let text, why;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    why = error.message; // a cycle, a BigInt, or a toJSON that throws
  }
  if (text !== undefined) return text;
  why ??= `a value of type ${typeof value}`;
  throw new Permanent("SERIALIZATION_FAILED", `the payload for output ${JSON.stringify(to)} has no JSON form: ${why}`);
}
