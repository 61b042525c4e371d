// From a module to a component: bundle, see which interfaces of the host are left in it, and build for just these.

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "componentize-qjs";
import * as esbuild from "esbuild";
import { aside, back } from "./aside.js";
import { placesOf } from "./places.js";
import { writeWorld } from "./world.js";
import { places } from "../src/stack.js";

const SDK = fileURLToPath(new URL("../src/", import.meta.url));
/** Is never written: the paths of the source map are relative to it. */
const BUNDLE = resolve("bundle.js");

export async function build(entry, output) {
  const { source, table, imports, exports } = await bundle(resolve(entry));
  const wit = writeWorld(imports, exports);
  try {
    const component = await componentOf(wit, source, table);
    // Whoever watches the file sees the old one or the new one, never half of it.
    writeFileSync(`${output}.new`, component);
    renameSync(`${output}.new`, output);
    return { bytes: component.length, imports };
  } finally {
    rmSync(wit, { recursive: true, force: true });
  }
}

async function componentOf(wit, bundled, table) {
  // Behind the bundle, so that its lines keep their numbers.
  const source = `${bundled}globalThis.cofferdamPlaces = ${JSON.stringify(table)};\n`;
  try {
    const made = await componentize({ witPath: wit, world: "plugin", jsSource: aside(source), sync: true, optSize: true });
    return back(made.component);
  } catch (error) {
    const asked = /unknown import: `([^`]+)`/.exec(error.message)?.[1];
    if (asked === undefined) throw new Error(places(error.message, table).replace(/^[: ]+/, ""));
    throw new Error(`the module asks the host for ${asked} while it is loaded, and that is when the plugin is built: ask in the handler`);
  }
}

async function bundle(entry) {
  const exported = exportsOf(await run({ entryPoints: [entry] }));
  const wanted = ["handle", "handleBatch"].filter((name) => exported.includes(name));
  if (wanted.length === 0) throw new Error(`${entry} exports neither handle nor handleBatch`);
  const exports = ["handler", ...(wanted.includes("handleBatch") ? ["batchHandler"] : [])];
  // The globals come first, because packages may use them while they load.
  const from = (path) => JSON.stringify(path);
  const main = `
    import { loaded } from ${from(join(SDK, "globals.js"))};
    import { ${wanted.join(", ")} } from ${from(entry)};
    import { plugin } from ${from(join(SDK, "plugin.js"))};
    import { host } from ${from(join(SDK, "wasm.js"))};
    export const { ${exports.join(", ")} } = plugin({ ${wanted.join(", ")} }, host);
    loaded();`;
  const stdin = { contents: main, resolveDir: SDK, sourcefile: "plugin" };
  const result = await lowered({ stdin, sourcemap: "external", outfile: BUNDLE });
  const [map, source] = ["map", "js"].map((kind) => result.outputFiles.find(({ path }) => path.endsWith(`.${kind}`)).text);
  const { imports } = Object.values(result.metafile.outputs).find((output) => output.exports.length > 0);
  const named = imports.filter(({ external }) => external).map(({ path }) => path);
  const table = placesOf(map, dirname(BUNDLE), process.cwd());
  return { source, table, imports: [...new Set(named)].sort(), exports };
}

/** Without async functions, whose promises nobody can watch: `src/promises.js`. A module that awaits at its top level keeps them. */
async function lowered(what) {
  const supported = { "async-await": false, "async-generator": false, "for-await": false };
  try {
    return await run({ ...what, supported, logLevel: "silent" }); // the run for the names of the exports has shown the warnings
  } catch (error) {
    if (!/top-level await/i.test(error.message)) throw error;
    return run(what);
  }
}

function run(what) {
  return esbuild.build({
    logLevel: "warning",
    ...what,
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["cofferdam"],
    external: ["wasi:*"],
    target: "es2023",
    charset: "utf8",
  });
}

function exportsOf(result) {
  return Object.values(result.metafile.outputs)[0].exports;
}
