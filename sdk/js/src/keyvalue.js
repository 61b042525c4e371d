// Values that outlive the instance, in the bucket the plugin was granted.
//
// A write stays when the handler fails afterwards, and the same message may come again: write what a second attempt
// may find there.

import * as host from "#host/keyvalue";
import { Permanent, Retryable } from "./failure.js";
import { bytesOf, decode } from "./utf8.js";

/** Only a key that is set and deleted over and over can use these up. */
const SWAP_ATTEMPTS = 16;

export function open(name) {
  asked(() => host.open(name));
  return new Bucket(name);
}

export class Bucket {
  #name;

  constructor(name) {
    this.#name = name;
  }

  get(key) {
    return asked(() => host.get(this.#name, key)) ?? null;
  }

  getText(key) {
    const value = this.get(key);
    return value === null ? null : decode(value);
  }

  set(key, value) {
    const bytes = bytesOf(value, "a value");
    asked(() => host.set(this.#name, key, bytes));
  }

  delete(key) {
    asked(() => host.remove(this.#name, key));
  }

  exists(key) {
    return asked(() => host.exists(this.#name, key));
  }

  increment(key, delta = 1) {
    if (!Number.isSafeInteger(delta)) throw new TypeError("the delta of a counter must be a whole number below 2^53");
    return asked(() => host.increment(this.#name, key, delta));
  }

  setIfAbsent(key, value) {
    const bytes = bytesOf(value, "a value");
    for (let attempt = 0; attempt < SWAP_ATTEMPTS; attempt++) {
      const noted = asked(() => host.note(this.#name, key));
      if (noted.current !== null) return noted.current;
      if (asked(() => noted.swap(bytes))) return null;
    }
    throw failed(`${JSON.stringify(key)} changed ${SWAP_ATTEMPTS} times while it was being set`);
  }
}

/** Turns the errors of the store, `{ tag, val }`, into failures of the message. */
function asked(question) {
  try {
    return question();
  } catch (error) {
    switch (error.payload?.tag) {
      case "no-such-store":
        throw new Permanent("CAPABILITY_DENIED", "there is no key-value bucket of that name");
      case "access-denied":
        throw new Permanent("CAPABILITY_DENIED", "the plugin has no grant for that key-value bucket");
      case "other":
        throw failed(error.payload.val);
      default:
        throw error;
    }
  }
}

function failed(text) {
  return new Retryable("SERVICE_UNAVAILABLE", `the key-value store failed: ${text}`);
}
