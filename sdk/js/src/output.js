// What a handler asks the host to publish.

import { Permanent } from "./failure.js";
import { attributesOf, headersOf, optionsOf } from "./pairs.js";
import { bytesOf, encode } from "./utf8.js";

const OPTIONS = ["key", "headers", "attributes"];

export class Output {
  constructor(to, payload, options) {
    const { key, headers, attributes } = optionsOf(options, "an output", OPTIONS);
    if (typeof to !== "string") throw new TypeError("the first argument of an output is the name of an output of the route");
    this.to = to;
    this.key = key === undefined || key === null ? null : bytesOf(key, "the key of an output");
    this.headers = headersOf(headers, "an output");
    this.attributes = attributesOf(attributes, "an output");
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
