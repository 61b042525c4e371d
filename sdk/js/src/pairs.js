// Names with values, in every form in which an author may give them. A form that is not known is refused and never left out.

import { shown } from "./shown.js";
import { bytesOf } from "./utf8.js";

const PAIRS = "an object, a Map, or pairs [name, value]";

/** Headers as `{ name, value }`. An object may have an array as a value: the name stands once for each of its elements. */
export function headersOf(given, owner) {
  return pairsOf(given, `the headers of ${owner}`, true).map(([name, value]) => ({
    name,
    value: bytesOf(value, `the header ${JSON.stringify(name)} of ${owner}`),
  }));
}

/** Attributes as a Map, each name once. */
export function attributesOf(given, owner) {
  const attributes = new Map();
  for (const [name, value] of pairsOf(given, `the attributes of ${owner}`, false)) {
    const what = `the attribute ${JSON.stringify(name)} of ${owner}`;
    if (typeof value !== "string") throw new TypeError(`${what} must be a string, not ${shown(value)}`);
    if (attributes.has(name)) throw new TypeError(`${what} is given twice`);
    attributes.set(name, value);
  }
  return attributes;
}

/** Options, of which every name must be one of `known`. */
export function optionsOf(given, owner, known) {
  if (given === undefined || given === null) return {};
  const names = `${known.slice(0, -1).join(", ")}${known.length > 1 ? " and " : ""}${known.at(-1)}`;
  if (typeof given !== "object" || Array.isArray(given)) throw new TypeError(`the options of ${owner} must be an object with ${names}, not ${shown(given)}`);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`${owner} has no option ${JSON.stringify(unknown)}; it has ${names}`);
  return given;
}

function pairsOf(given, what, repeats) {
  if (given === undefined || given === null) return [];
  if (typeof given === "object" && typeof given[Symbol.iterator] === "function") {
    // `attributes.type = "paid"` on a Map sets a property of the object, and nothing in the Map.
    const lost = given instanceof Map ? Object.keys(given)[0] : undefined;
    if (lost !== undefined) throw new TypeError(`${what} are a Map: set ${JSON.stringify(lost)} with .set(name, value)`);
    return Array.from(given, (pair) => pairOf(pair, what));
  }
  if (!isPlain(given)) throw new TypeError(`${what} must be ${PAIRS}, not ${shown(given)}`);
  return Object.entries(given).flatMap(([name, value]) =>
    repeats && Array.isArray(value) ? value.map((one) => [name, one]) : [[name, value]],
  );
}

function pairOf(pair, what) {
  const [name, value] = Array.isArray(pair) && pair.length === 2 ? pair : [pair?.name, pair?.value];
  if (typeof name !== "string" || value === undefined) throw new TypeError(`one of ${what} must be a pair [name, value], not ${shown(pair)}`);
  return [name, value];
}

function isPlain(given) {
  if (typeof given !== "object") return false;
  const prototype = Object.getPrototypeOf(given);
  // An object of another realm has another Object.prototype, which has no prototype either.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
