// Handles of the host, which are given back when a call of the handler ends: the engine does not say when it collects
// them, and the host bounds how many a plugin may hold.

let held = [];
let buckets = new Map();

/** Gives `resource` back at the end of the call, children before their parents. */
export function own(resource) {
  held.push(resource);
  return resource;
}

/** The bucket of that name, opened once in a call. */
export function bucket(name, open) {
  let found = buckets.get(name);
  if (found === undefined) buckets.set(name, (found = own(open(name))));
  return found;
}

export function release() {
  if (held.length === 0) return;
  const resources = held;
  held = [];
  buckets = new Map();
  while (resources.length > 0) dispose(resources.pop());
}

/** Gives `resource` back at once. */
export function dispose(resource) {
  try {
    resource[Symbol.dispose]();
  } catch {
    // It was handed over to the host in between, and is not ours any more.
  }
}
