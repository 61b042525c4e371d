// The host's `wasi:keyvalue`.

import atomics from "wasi:keyvalue/atomics@0.2.0-draft2";
import store from "wasi:keyvalue/store@0.2.0-draft2";
import { bucket, dispose } from "./resources.js";

export const open = (name) => bucket(name, store.open);
export const get = (name, key) => open(name).get(key);
export const set = (name, key, value) => open(name).set(key, value);
export const remove = (name, key) => open(name).delete(key);
export const exists = (name, key) => open(name).exists(key);
export const increment = (name, key, delta) => atomics.increment(open(name), key, delta);

/** The value of a key at one moment, to be replaced only if it is still the same. */
export function note(name, key) {
  const cas = atomics.Cas.new(open(name), key);
  const current = cas.current() ?? null;
  if (current !== null) dispose(cas); // nobody swaps what is there
  return { current, swap: (value) => swap(cas, value) };
}

/** False where somebody else changed the key in between. */
function swap(cas, value) {
  try {
    atomics.swap(cas, value);
    return true;
  } catch (error) {
    const { tag, val } = error.payload ?? {};
    if (tag === "cas-failed") {
      dispose(val);
      return false;
    }
    if (tag === "store-error") throw Object.assign(new Error("the store failed"), { payload: val });
    throw error;
  }
}
