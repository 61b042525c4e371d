// CloudEvents, on routes with `envelope = "cloudevents"`: the host takes the envelope apart and puts it together, so the
// attributes of an event are those of the message, its data is the payload, and its id is the message's id.

import { Permanent } from "./failure.js";
import { Output } from "./output.js";
import { optionsOf } from "./pairs.js";
import { shown } from "./shown.js";

const NAME = /^[a-z0-9]+$/;

export function read(message) {
  const attributes = Object.fromEntries(message.attributes);
  return { ...attributes, id: message.id, type: message.requiredAttribute("type"), data: () => message.json() };
}

export function output(to, { type, data, ...attributes }, options) {
  if (typeof type !== "string" || type === "") throw new TypeError("an event has a type");
  const named = { type };
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (!NAME.test(name)) {
      throw new Permanent("INVALID_EVENT", `${JSON.stringify(name)} is no name of a CloudEvents attribute: lower-case letters and digits only`);
    }
    named[name] = textOf(name, value);
  }
  const all = { ...optionsOf(options, "an event, whose attributes stand in the event,", ["key", "headers"]), attributes: named };
  if (data === undefined) return Output.tombstone(to, all);
  return data instanceof Uint8Array ? new Output(to, data, all) : Output.json(to, data, all);
}

function textOf(name, value) {
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== "object" && typeof value !== "function") return String(value);
  throw new TypeError(`the attribute ${JSON.stringify(name)} of an event must be a string, not ${shown(value)}`);
}
