// Why there is no answer, in the four kinds that lead to different ends of a message.

export class HttpError extends Error {
  /** `kind` is `denied`, `invalid`, `timeout` or `unavailable`. */
  constructor(kind, message = kind) {
    super(message);
    this.kind = kind;
  }
}
