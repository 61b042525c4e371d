// Why a message was not handled. A handler throws one of these.

export class Failure extends Error {
  constructor(kind, code, text, { retryAfterMs } = {}) {
    super(`${code}: ${text}`);
    this.kind = kind;
    this.code = String(code);
    this.text = String(text);
    this.retryAfterMs = delay(retryAfterMs);
  }

  get name() {
    return this.kind[0].toUpperCase() + this.kind.slice(1); // a bundler may have renamed the class
  }
}

export class Retryable extends Failure {
  constructor(code, text, options) {
    super("retryable", code, text, options);
  }
}

export class Permanent extends Failure {
  constructor(code, text) {
    super("permanent", code, text);
  }

  static validation(text) {
    return new Permanent("VALIDATION_ERROR", text);
  }
}

export class Deferred extends Failure {
  constructor(code, text, options) {
    super("deferred", code, text, options);
  }
}

/** Whole milliseconds; the host clamps them to the route's policy anyway. */
function delay(milliseconds) {
  if (milliseconds === undefined || milliseconds === null) return null;
  if (typeof milliseconds !== "number" || Number.isNaN(milliseconds)) throw new TypeError("retryAfterMs must be a number");
  return Math.min(Math.max(Math.ceil(milliseconds), 0), Number.MAX_SAFE_INTEGER);
}
