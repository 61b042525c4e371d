// What the stand-ins share in tests without WebAssembly. `cofferdam-sdk/test` sets and reads it.

export const world = {};

export function reset() {
  world.config = new Map();
  world.logs = [];
  world.answerHttp = null;
  world.buckets = new Map();
  world.operationsLeft = Infinity;
}

reset();
