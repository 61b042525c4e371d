// The message a handler is given.

import { Permanent } from "./failure.js";
import { parse } from "./json.js";
import { decode } from "./utf8.js";

export class Message {
  constructor({ id, source, position, key, headers, attributes, payload, timestampMs, attempt }) {
    this.id = id;
    this.source = source;
    this.position = position;
    this.key = key ?? null;
    this.headers = headers;
    this.attributes = new Map(attributes);
    this.payload = payload ?? null;
    this.timestampMs = timestampMs;
    this.attempt = attempt;
  }

  get timestamp() {
    return new Date(this.timestampMs);
  }

  get keyText() {
    return this.key === null ? null : textOrNull(this.key);
  }

  bytes() {
    if (this.payload === null) throw Permanent.validation("the message is a tombstone: it has no payload");
    return this.payload;
  }

  text() {
    const bytes = this.bytes();
    try {
      return decode(bytes);
    } catch (error) {
      throw Permanent.validation(`the payload is no text: ${error.message}`);
    }
  }

  json() {
    const text = this.text();
    try {
      return parse(text);
    } catch (error) {
      throw Permanent.validation(`the payload is no JSON: ${error.message}`);
    }
  }

  header(name) {
    const wanted = name.toLowerCase();
    // Whoever adds a header again means the new value.
    return this.headers.findLast((header) => header.name.toLowerCase() === wanted)?.value ?? null;
  }

  headerText(name) {
    const value = this.header(name);
    return value === null ? null : textOrNull(value);
  }

  attribute(name) {
    return this.attributes.get(name) ?? null;
  }

  requiredAttribute(name) {
    const value = this.attributes.get(name);
    if (value === undefined) throw Permanent.validation(`the attribute ${JSON.stringify(name)} is missing`);
    return value;
  }
}

function textOrNull(bytes) {
  try {
    return decode(bytes);
  } catch {
    return null;
  }
}
