// For tests without WebAssembly: messages, and stand-ins for configuration, key-value store, other hosts and log. They
// belong to the process; `node --test` runs each file in its own. `reset` before each test keeps tests of a file apart.

import type { Attributes, Bytes, Headers, log, Message } from "./index.js";

export interface MessageParts {
  id?: string;
  source?: string;
  position?: string;
  key?: Bytes | null;
  headers?: Headers;
  attributes?: Attributes;
  /** The payload as it is. */
  payload?: Bytes | null;
  /** The payload as JSON, in place of `payload`. */
  json?: unknown;
  timestampMs?: number;
  attempt?: number;
}

/**
 * A message. What is not given: id `test-message`, source `test`, position `0/0`, attempt 1, and no key, headers,
 * attributes or payload.
 */
export function message(parts?: MessageParts): Message;

/** Sets a value of the plugin's configuration. */
export function setConfig(name: string, value: string): void;

/** Lets that many further operations on buckets succeed and all after them fail, as if the host had stopped there. */
export function failKeyvalueAfter(operations: number): void;

/** Makes the key-value store work again, with all values kept. */
export function mendKeyvalue(): void;

export interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: Uint8Array])[];
  readonly body: Uint8Array;
}

export interface Answer {
  status: number;
  headers?: Headers;
  body?: Bytes;
}

/** Answers the requests of the handler from now on, or throws {@link HttpError}; before, each is denied. */
export function answerHttp(answer: (request: Request) => Answer): void;

/** Why there is no answer. */
export class HttpError extends Error {
  constructor(kind: "denied" | "invalid" | "timeout" | "unavailable", message?: string);
}

/** The lines logged so far, oldest first. */
export function logs(): { level: log.Level; line: string }[];

/** Forgets configuration, values, answers and log lines. */
export function reset(): void;
