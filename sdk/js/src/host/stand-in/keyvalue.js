// One bucket for each name, with the answers and errors of the host's store.

import { decode, encode } from "../../utf8.js";
import { world } from "./world.js";

const [MIN, MAX] = [-(2n ** 63n), 2n ** 63n - 1n];

export const open = () => {};
export const get = (name, key) => bucket(name).get(key)?.slice();
export const set = (name, key, value) => void bucket(name).set(key, value.slice());
export const remove = (name, key) => void bucket(name).delete(key);
export const exists = (name, key) => bucket(name).has(key);

export function increment(name, key, delta) {
  const values = bucket(name);
  const text = values.has(key) ? decode(values.get(key)) : "0";
  if (!/^[+-]?\d+$/.test(text)) throw other(`the value of ${JSON.stringify(key)} is no number`);
  const sum = BigInt(text) + BigInt(delta);
  if (sum < MIN || sum > MAX) throw other(`the number of ${JSON.stringify(key)} would not fit`);
  values.set(key, encode(String(sum)));
  return Number(sum);
}

export function note(name, key) {
  const current = get(name, key) ?? null;
  return {
    current,
    swap(value) {
      const values = bucket(name);
      if (String(values.get(key) ?? null) !== String(current)) return false;
      values.set(key, value.slice());
      return true;
    },
  };
}

/** The values of a bucket, for one operation; an error where the test wanted the store to fail by now. */
function bucket(name) {
  if (world.operationsLeft === 0) throw other("made to fail by the test");
  world.operationsLeft -= 1;
  if (!world.buckets.has(name)) world.buckets.set(name, new Map());
  return world.buckets.get(name);
}

function other(text) {
  return Object.assign(new Error(text), { payload: { tag: "other", val: text } });
}
