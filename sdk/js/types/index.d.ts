// What a handler is: a function that takes a message and returns what is to be published.

/** Returned by a handler: one output, several, or none. */
export type Outputs = Output | readonly Output[] | void | null;

/** Exported as `handle` by the module that is built. It is not async, and nothing runs after it; to fail a message it throws a {@link Failure}. */
export type Handler = (message: Message) => Outputs;

/**
 * Exported as `handleBatch`, for handlers that are quicker with several messages at once: a result for each message, in
 * their order. A message that failed has its failure as its result; what is thrown ends the whole call.
 */
export type BatchHandler = (messages: Message[]) => (Outputs | Failure)[];

/** Text, which is written as UTF-8, or bytes. */
export type Bytes = string | Uint8Array;

/**
 * Headers: an object, in which an array gives a name several values, a Map, pairs, or the headers of a message. Anything else
 * is a TypeError that names it.
 */
export type Headers =
  | Readonly<Record<string, Bytes | readonly Bytes[]>>
  | Iterable<readonly [name: string, value: Bytes] | { readonly name: string; readonly value: Bytes }>;

/** Attributes: an object, a Map, or pairs. Anything else is a TypeError that names it. */
export type Attributes = Readonly<Record<string, string>> | Iterable<readonly [name: string, value: string]>;

export interface Header {
  /** Names may repeat within a message. */
  readonly name: string;
  /** The bytes as they are on the broker. */
  readonly value: Uint8Array;
}

/** One message. The host keeps the record as it came aside; this is the handler's copy. */
export class Message {
  private constructor();
  /** The same at every attempt and every redelivery: the key to recognise a repeat by. */
  readonly id: string;
  /** Name of the topic or queue. */
  readonly source: string;
  /** `<partition>/<offset>` on Kafka, the message id on SQS. */
  readonly position: string;
  /** The Kafka key or the SQS message group; null where there is none. An empty key is a key. */
  readonly key: Uint8Array | null;
  /** All headers in the order of the broker's record. */
  readonly headers: readonly Header[];
  /** What the envelope says about the message; empty for the raw envelope. */
  readonly attributes: ReadonlyMap<string, string>;
  /** What the envelope carries; null is a tombstone. */
  readonly payload: Uint8Array | null;
  /** Milliseconds since 1970 in UTC, by the broker's clock. */
  readonly timestampMs: number;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The broker's timestamp. */
  get timestamp(): Date;
  /** The key as text; null where there is no key or it is not UTF-8. */
  get keyText(): string | null;
  /** The payload as JSON. Throws {@link Permanent} `VALIDATION_ERROR` for a tombstone and for what is no JSON. */
  json<T = any>(): T;
  /** The payload as text. Throws {@link Permanent} `VALIDATION_ERROR` for a tombstone and for what is no UTF-8. */
  text(): string;
  /** The payload as bytes. Throws {@link Permanent} `VALIDATION_ERROR` for a tombstone. */
  bytes(): Uint8Array;
  /** The value of the last header of that name, letter case aside. */
  header(name: string): Uint8Array | null;
  /** The same as text; null where it is not UTF-8, too. */
  headerText(name: string): string | null;
  /** The envelope's attribute of that name. */
  attribute(name: string): string | null;
  /** The same. Throws {@link Permanent} `VALIDATION_ERROR` where there is none. */
  requiredAttribute(name: string): string;
}

export interface OutputOptions {
  /** The Kafka key or the SQS message group. Without it: the route's template, else the key of the message handled. */
  key?: Bytes | null;
  /** Headers to write, in this order. Names may repeat where the broker allows it (Kafka). */
  headers?: Headers;
  /** Attributes for the envelope and for the route's templates, each name once. */
  attributes?: Attributes;
}

/** One message to publish, once the handler has ended well. */
export class Output {
  /** An output that carries this text or these bytes. `to` is the name of an output of the route. */
  constructor(to: string, payload: Bytes | null, options?: OutputOptions);
  /** An output that carries `value` as JSON. Throws {@link Permanent} `SERIALIZATION_FAILED` where it has no JSON form. */
  static json(to: string, value: unknown, options?: OutputOptions): Output;
  /** An output without a payload: on Kafka, a tombstone. */
  static tombstone(to: string, options?: OutputOptions): Output;
  /** The message itself: key, headers, attributes and payload as they are. */
  static copyOf(message: Message, to: string): Output;
  to: string;
  key: Uint8Array | null;
  headers: Header[];
  attributes: Map<string, string>;
  payload: Uint8Array | null;
  /** What this takes of the limit `output_bytes`: key, payload, names and values, and 32 for each header and attribute. */
  get countedBytes(): number;
}

export interface FailureOptions {
  /** How long to wait before the next attempt, within the route's policy. */
  retryAfterMs?: number;
}

/** Why a message was not handled. Whatever else a handler throws is a bug: the attempt is trapped. */
export abstract class Failure extends Error {
  readonly kind: "retryable" | "permanent" | "deferred";
  /** For machines: 1 to 64 of `A-Z`, `0-9` and `_`; the host replaces anything else by `INVALID_CODE`. */
  readonly code: string;
  /** For people; the host cuts it after 4 KiB. It appears in logs and dead letters: no secrets here. */
  readonly text: string;
  readonly retryAfterMs: number | null;
}

/** Worth trying again: a service was away, a limit was reached. Dead letter when the attempts are used up. */
export class Retryable extends Failure {
  constructor(code: string, text: string, options?: FailureOptions);
}

/** The message itself is wrong, no attempt will ever succeed: dead letter at once. */
export class Permanent extends Failure {
  constructor(code: string, text: string);
  /** With the code `VALIDATION_ERROR`: the message is not what the handler takes. */
  static validation(text: string): Permanent;
}

/** The message is in order, but its time has not come: wait, and count no attempt. */
export class Deferred extends Failure {
  constructor(code: string, text: string, options?: FailureOptions);
}

/** The plugin's own `config` and `secrets` of the configuration file, as strings. */
export declare namespace config {
  /** The value of `name`, or null. */
  function get(name: string): string | null;
  /** The value of `name`. Throws {@link Deferred} `CONFIGURATION_MISSING` where there is none: the message can wait for it. */
  function require(name: string): string;
  /** All names with their values. */
  function all(): Map<string, string>;
}

/** Values that outlive the instance, in the bucket of the plugin's grant: `capabilities = { keyvalue = "orders" }`. */
export declare namespace keyvalue {
  /**
   * Opens the bucket that was granted under this name. This and all that is asked of the bucket throws {@link Retryable}
   * `SERVICE_UNAVAILABLE` where the store failed, and {@link Permanent} `CAPABILITY_DENIED` where it was not granted.
   */
  function open(name: string): Bucket;
  interface Bucket {
    get(key: string): Uint8Array | null;
    getText(key: string): string | null;
    set(key: string, value: Bytes): void;
    /** Does nothing where there is no value. */
    delete(key: string): void;
    exists(key: string): boolean;
    /** Adds to the number under `key` in one step and returns the sum; a missing key counts as zero. Exact up to 2^53. */
    increment(key: string, delta?: number): number;
    /** Sets the value in one step, if there is none: then null. Otherwise nothing is written, and the value there is returned. */
    setIfAbsent(key: string, value: Bytes): Uint8Array | null;
  }
}

/** Log lines with a level. `console` writes the same lines. Objects are written as JSON, errors with their stack. */
export declare namespace log {
  type Level = "trace" | "debug" | "info" | "warn" | "error";
  function trace(...values: unknown[]): void;
  function debug(...values: unknown[]): void;
  function info(...values: unknown[]): void;
  function warn(...values: unknown[]): void;
  function error(...values: unknown[]): void;
  function write(level: Level, ...values: unknown[]): void;
}

/**
 * Requests to the hosts of the plugin's grant: `capabilities = { http = ["api.example.com"] }`. They wait for the answer.
 * No status is an error. Without an answer they throw {@link Permanent} `CAPABILITY_DENIED` where it was not granted,
 * `VALIDATION_ERROR` where it cannot be sent, {@link Retryable} `TIMEOUT` and `SERVICE_UNAVAILABLE` for the rest.
 */
export declare namespace http {
  interface RequestOptions {
    headers?: Headers;
    body?: Bytes;
  }
  interface Response {
    readonly status: number;
    /** Names in lower case; they may repeat. */
    readonly headers: readonly (readonly [name: string, value: Uint8Array])[];
    readonly body: Uint8Array;
    /** A status of 200 to 299. */
    readonly ok: boolean;
    /** The value of the last header of that name, letter case aside. */
    header(name: string): string | null;
    /** The body as text. Throws {@link Retryable} `INVALID_RESPONSE` for what is no UTF-8. */
    text(): string;
    /** The body as JSON. Throws {@link Retryable} `INVALID_RESPONSE` for what is no JSON; the text names host, status and reason. */
    json<T = any>(): T;
  }
  function get(url: string, options?: Omit<RequestOptions, "body">): Response;
  function post(url: string, body: Bytes, options?: Omit<RequestOptions, "body">): Response;
  function put(url: string, body: Bytes, options?: Omit<RequestOptions, "body">): Response;
  function request(method: string, url: string, options?: RequestOptions): Response;
}

/** CloudEvents, on routes with `envelope = "cloudevents"`: the attributes of the event are those of the message. */
export declare namespace cloudevents {
  interface Event {
    readonly id: string;
    readonly type: string;
    readonly source?: string;
    readonly subject?: string;
    readonly time?: string;
    readonly datacontenttype?: string;
    /** Attributes of extensions, whose names are lower-case letters and digits. */
    readonly [name: string]: string | undefined | (() => any);
    /** The data as JSON, as {@link Message.json} gives it. */
    data(): any;
  }
  interface NewEvent {
    type: string;
    /** Written as JSON; bytes are taken as they are; without it there is no payload. */
    data?: unknown;
    subject?: string;
    /** `/` and the name of the service where it is not said. */
    source?: string;
    /** Now where it is not said. */
    time?: string;
    /** `application/json` where it is not said. */
    datacontenttype?: string;
    /** Attributes of extensions. The id is the host's to give: the same at every attempt. */
    [name: string]: unknown;
  }
  /** The message as an event. Throws {@link Permanent} `VALIDATION_ERROR` where it has no `type`. */
  function read(message: Message): Event;
  /** An output with the attributes of the event. Throws {@link Permanent} `INVALID_EVENT` for a name that cannot be one. */
  function output(to: string, event: NewEvent, options?: Omit<OutputOptions, "attributes">): Output;
}

/** UTF-8 in both directions, for the bytes of keys and headers. */
export declare namespace utf8 {
  /** Throws a RangeError that says where the bytes are no UTF-8. */
  function decode(bytes: Uint8Array): string;
  function encode(text: string): Uint8Array;
}
