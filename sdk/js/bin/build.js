// From a module to a component: bundle, see which interfaces of the host are left in it, and build for just these.

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "componentize-qjs";
import * as esbuild from "esbuild";
import { placesOf } from "./places.js";
import { writeWorld } from "./world.js";

const SDK = fileURLToPath(new URL("../src/", import.meta.url));
/** Is never written: the paths of the source map are relative to it. */
const BUNDLE = resolve("bundle.js");

export async function build(entry, output) {
  const { source, imports, exports } = await bundle(resolve(entry));
  const wit = writeWorld(imports, exports);
  try {
    const { component } = await componentize({ witPath: wit, world: "plugin", jsSource: source, sync: true, optSize: true });
    // Whoever watches the file sees the old one or the new one, never half of it.
    writeFileSync(`${output}.new`, component);
    renameSync(`${output}.new`, output);
    return { bytes: component.length, imports };
  } finally {
    rmSync(wit, { recursive: true, force: true });
  }
}

async function bundle(entry) {
  const exported = exportsOf(await run({ entryPoints: [entry] }));
  const wanted = ["handle", "handleBatch"].filter((name) => exported.includes(name));
  if (wanted.length === 0) throw new Error(`${entry} exports neither handle nor handleBatch`);
  const exports = ["handler", ...(wanted.includes("handleBatch") ? ["batchHandler"] : [])];
  // The globals come first, because packages may use them while they load.
  const main = `
    import "${SDK}globals.js";
    import { ${wanted.join(", ")} } from ${JSON.stringify(entry)};
    import { plugin } from "${SDK}plugin.js";
    import { host } from "${SDK}wasm.js";
    export const { ${exports.join(", ")} } = plugin({ ${wanted.join(", ")} }, host);`;
  const stdin = { contents: main, resolveDir: SDK, sourcefile: "plugin" };
  const result = await run({ stdin, sourcemap: "external", outfile: BUNDLE });
  const [map, source] = ["map", "js"].map((kind) => result.outputFiles.find(({ path }) => path.endsWith(`.${kind}`)).text);
  const { imports } = Object.values(result.metafile.outputs).find((output) => output.exports.length > 0);
  const named = imports.filter(({ external }) => external).map(({ path }) => path);
  // Behind the bundle, so that its lines keep their numbers.
  const places = JSON.stringify(placesOf(map, dirname(BUNDLE), process.cwd()));
  return { source: `${source}globalThis.cofferdamPlaces = ${places};\n`, imports: [...new Set(named)].sort(), exports };
}

function run(what) {
  return esbuild.build({
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
    logLevel: "warning",
  });
}

function exportsOf(result) {
  return Object.values(result.metafile.outputs)[0].exports;
}
