// Handles of the host are given back as soon as they have served: the engine does not say when it collects them, and the
// host bounds how many a plugin may hold.

let held = [];
let buckets = new Map();

/** Gives `resource` back at the end of the work around it, children before their parents. */
export function own(resource) {
  held.push(resource);
  return resource;
}

/** Does a piece of work and gives back what it owned. */
export function within(work) {
  const around = held;
  held = [];
  try {
    return work();
  } finally {
    giveBack(held);
    held = around;
  }
}

/** The bucket of that name, opened once in a call. */
export function bucket(name, open) {
  let found = buckets.get(name);
  if (found === undefined) buckets.set(name, (found = own(open(name))));
  return found;
}

/** At the end of a call. */
export function release() {
  giveBack(held);
  held = [];
  buckets = new Map();
}

/** Gives `resource` back at once. */
export function dispose(resource) {
  try {
    resource[Symbol.dispose]();
  } catch {
    // It was handed over to the host in between, and is not ours any more.
  }
}

function giveBack(resources) {
  while (resources.length > 0) dispose(resources.pop());
}
