// Makes the exports of the contract from an author's functions. `cofferdam-build` writes the module that calls this.

import { Failure } from "./failure.js";
import { Message } from "./message.js";
import { Output } from "./output.js";
import { attributesOf, headersOf } from "./pairs.js";
import { calledByCofferdam } from "./stack.js";

/**
 * The exports for one message and for several. `host` has `report(error)`, which is told what a handler threw that is no
 * failure, `ended()`, which throws what was lost in a call that seems to have ended well, and `release()`, which ends each call.
 */
export function plugin({ handle, handleBatch }, host) {
  const guarded = (work) => {
    try {
      const result = work();
      if (result.tag !== "err") host.ended();
      return result;
    } catch (error) {
      host.report(error);
      throw bug();
    } finally {
      host.release();
    }
  };
  const batch = (messages) => {
    const results = calledByCofferdam(handleBatch, messages.map((message) => new Message(message)));
    if (!Array.isArray(results) || results.length !== messages.length) {
      throw new TypeError(`handleBatch must return an array with a result for each of its ${messages.length} messages`);
    }
    return results.map((result) => ended(() => result));
  };
  const one = handle ? (message) => ended(() => calledByCofferdam(handle, new Message(message))) : (message) => batch([message])[0];
  return {
    handler: {
      handle(message) {
        const { tag, val } = guarded(() => one(message));
        if (tag === "ok") return val;
        throw { payload: val };
      },
    },
    batchHandler: { handleBatch: (messages) => guarded(() => batch(messages)) },
  };
}

/** What the engine traps on: an error without a `payload`, which would be an answer. All has been said, so it is short. */
function bug() {
  const error = new Error("the handler failed");
  error.stack = "";
  return error;
}

/** How one message ended, as the contract has it. */
function ended(attempt) {
  try {
    const result = attempt();
    return result instanceof Failure ? failed(result) : { tag: "ok", val: outputsOf(result) };
  } catch (error) {
    if (error instanceof Failure) return failed(error);
    throw error;
  }
}

function failed({ kind, code, text, retryAfterMs }) {
  return { tag: "err", val: { tag: kind, val: { code: whole(code), text: whole(text), retryAfterMs } } };
}

function outputsOf(result) {
  if (result === undefined || result === null) return [];
  if (result instanceof Output) return [lowered(result)];
  if (Array.isArray(result)) return result.map(lowered);
  if (typeof result.then === "function") throw new TypeError("the handler is async: it must return its outputs, not a promise");
  throw new TypeError("a handler returns an Output, an array of them, or nothing");
}

function lowered(output) {
  if (!(output instanceof Output)) throw new TypeError("a handler returns an Output, an array of them, or nothing");
  return {
    to: whole(output.to),
    key: output.key,
    headers: headersOf(output.headers, "an output").map(({ name, value }) => ({ name: whole(name), value })),
    attributes: Array.from(attributesOf(output.attributes, "an output"), ([name, value]) => [whole(name), whole(value)]),
    payload: output.payload,
  };
}

/** Text that can be UTF-8: half a surrogate pair would end the attempt without a word. */
function whole(text) {
  return String(text).toWellFormed();
}
