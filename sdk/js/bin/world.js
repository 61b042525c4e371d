// Writes the WIT that a component is built for: the contract, and the imports that the bundle uses. An import that is not
// used would have to be granted all the same.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { aside } from "./aside.js";
import { install } from "./install.js";

const EXPORTS = { handler: "cofferdam:plugin/handler@0.1.0", batchHandler: "cofferdam:plugin/batch-handler@0.1.0" };

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Returns the folder, which the caller deletes. */
export function writeWorld(imports, exports) {
  const folder = mkdtempSync(join(tmpdir(), "cofferdam-wit-"));
  const contract = contractFolder();
  const deps = join(folder, "deps");
  mkdirSync(join(deps, "cofferdam"), { recursive: true });
  for (const file of readdirSync(contract).filter((name) => name.endsWith(".wit"))) {
    cpSync(join(contract, file), join(deps, "cofferdam", file));
  }
  cpSync(join(contract, "deps"), deps, { recursive: true });
  for (const file of readdirSync(here("../wasi")).filter((name) => name.endsWith(".wit"))) {
    cpSync(here(`../wasi/${file}`), join(deps, file));
  }
  for (const file of readdirSync(here("../wasi/http"))) {
    writeFileSync(join(deps, `aside-${file}`), aside(readFileSync(here(`../wasi/http/${file}`), "utf8")));
  }
  const lines = [
    "package cofferdam:javascript;",
    "world plugin {",
    ...imports.map((name) => `  import ${aside(name)};`),
    ...exports.map((name) => `  export ${EXPORTS[name]};`),
    "}",
  ];
  writeFileSync(join(folder, "world.wit"), `${lines.join("\n")}\n`);
  return folder;
}

/** In a package the contract lies beside the SDK, in the repository at its top. */
function contractFolder() {
  const found = ["../wit/v1", "../../../wit/v1"].map(here).find(existsSync);
  if (found === undefined) throw new Error(`the contract is missing: there is no folder ${here("../wit/v1")}: ${install()}`);
  return found;
}
