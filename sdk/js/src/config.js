// The plugin's own `config` and `secrets` of the configuration file, as strings.

import * as host from "#host/config";
import { Deferred } from "./failure.js";

export function get(name) {
  return asked(() => host.get(name)) ?? null;
}

export function require(name) {
  const value = get(name);
  // Deferred, because nothing is wrong with the message: it waits until somebody mends the configuration.
  if (value === null) throw new Deferred("CONFIGURATION_MISSING", `the plugin's config has no ${JSON.stringify(name)}`);
  return value;
}

export function all() {
  return new Map(asked(() => host.all()));
}

function asked(question) {
  try {
    return question();
  } catch (error) {
    throw new Deferred("CONFIGURATION_UNAVAILABLE", error.message);
  }
}
