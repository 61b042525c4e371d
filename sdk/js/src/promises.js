// Promises in a component. The handler is not async, and the engine runs nothing after it has returned: what was to come later, in
// `then` or behind `await`, never comes, and nobody hears of a rejection. So both are noted here and told at the end of a call.
//
// `cofferdam-build` lowers async functions, so that they use this class as well; the engine's own promises tell nobody.

/** A class in place of `Native` with what it noted: `ended()` at the end of a call, `forget()` before the next. */
export function watched(Native) {
  let rejected = new Map();
  let later = null;

  class Promise extends Native {
    constructor(executor) {
      let [self, early, settled] = [null, null, false];
      super((resolve, reject) => {
        const rejects = (reason) => {
          if (!settled) self === null ? (early = { reason }) : rejected.set(self, reason);
          settled = true;
          reject(reason);
        };
        const resolves = (value) => {
          settled = true;
          resolve(value);
        };
        try {
          executor(resolves, rejects);
        } catch (error) {
          rejects(error);
        }
      });
      self = this;
      if (early !== null) rejected.set(self, early.reason);
    }

    then(...reactions) {
      rejected.delete(this); // somebody meant to hear of it
      later ??= new Error("a callback of a promise never runs: a handler is not async, and nothing runs after it has returned");
      return super.then(...reactions);
    }
  }
  Object.defineProperty(Promise, Symbol.species, { value: Native }); // what `then` makes is nobody's yet

  return {
    Promise,
    /** Returns the callback that will not come, as an error with its place; throws the first rejection that nobody hears of. */
    ended() {
      const [first] = rejected.values();
      if (rejected.size > 0) throw first;
      return later;
    },
    forget() {
      rejected = new Map();
      later = null;
    },
    queueMicrotask() {
      throw new Error("queueMicrotask never runs its callback: a handler is not async, and nothing runs after it has returned");
    },
  };
}
