#!/usr/bin/env node
// cofferdam-build ENTRY OUTPUT: makes a component of a module that exports `handle` or `handleBatch`.

import { install } from "./install.js";

const [entry, output] = process.argv.slice(2);
if (!entry || !output || process.argv.length > 4) {
  console.error("usage: cofferdam-build ENTRY OUTPUT\nexample: cofferdam-build src/handler.js my-handler.wasm");
  process.exit(64);
}
try {
  const { build } = await import("./build.js"); // not above: its packages are missing where the SDK is a link to a folder
  const { bytes, imports } = await build(entry, output);
  console.error(`${output}: ${bytes} bytes, imports ${imports.join(", ")}`);
} catch (error) {
  const missing = error.code === "ERR_MODULE_NOT_FOUND" ? /package '([^']+)'/.exec(error.message)?.[1] : undefined;
  console.error(`cofferdam-build: ${missing === undefined ? error.message : `${missing} is not installed with the SDK: ${install()}`}`);
  process.exit(1);
}
