// The globals that a component has besides those of ES2023: `"types": ["cofferdam-sdk/globals"]` with `"lib": ["es2023"]` in the
// tsconfig.json of a plugin's sources. What is not declared here is not there when a message comes.

interface Console {
  trace(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}
/** Log lines of the plugin, as `log` of `cofferdam-sdk` writes them. */
declare var console: Console;

interface Crypto {
  getRandomValues<T extends Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array>(array: T): T;
  randomUUID(): `${string}-${string}-${string}-${string}-${string}`;
}
declare var crypto: Crypto;

interface TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
}
declare var TextEncoder: { new (): TextEncoder };

interface TextDecoder {
  readonly encoding: "utf-8";
  /** Bytes that are no UTF-8 are a TypeError. */
  decode(bytes?: ArrayBuffer | ArrayBufferView): string;
}
declare var TextDecoder: { new (label?: "utf-8" | "utf8"): TextDecoder };

declare function atob(base64: string): string;
declare function btoa(latin1: string): string;
