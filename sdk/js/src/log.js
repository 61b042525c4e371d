// Log lines of the plugin, with a level. The host bounds them and adds plugin, route and message.

import * as host from "#host/log";
import { places } from "./stack.js";

export const trace = (...values) => write("trace", ...values);
export const debug = (...values) => write("debug", ...values);
export const info = (...values) => write("info", ...values);
export const warn = (...values) => write("warn", ...values);
export const error = (...values) => write("error", ...values);

export function write(level, ...values) {
  host.write(level, values.map(readable).join(" ").toWellFormed());
}

function readable(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return describe(value);
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return String(value);
  }
}

/** An error with its stack and its causes; QuickJS does not put name and text into the stack, V8 does. */
export function describe(error) {
  if (!(error instanceof Error)) return `${readable(error)} was thrown, which is no Error`;
  const head = String(error);
  const stack = places(error.stack ?? "").trimEnd();
  const whole = stack === "" ? head : stack.startsWith(head) ? stack : `${head}\n${stack}`;
  return error.cause === undefined ? whole : `${whole}\ncaused by: ${describe(error.cause)}`;
}
