#!/usr/bin/env node
// cofferdam-build ENTRY OUTPUT: makes a component of a module that exports `handle` or `handleBatch`.

import { build } from "./build.js";

const [entry, output] = process.argv.slice(2);
if (!entry || !output || process.argv.length > 4) {
  console.error("usage: cofferdam-build ENTRY OUTPUT\nexample: cofferdam-build src/handler.js my-handler.wasm");
  process.exit(64);
}
try {
  const { bytes, imports } = await build(entry, output);
  console.error(`${output}: ${bytes} bytes, imports ${imports.join(", ")}`);
} catch (error) {
  console.error(`cofferdam-build: ${error.message}`);
  process.exit(1);
}
