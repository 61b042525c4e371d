// What goes into a component. The component itself is run by the check of the templates.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "../bin/build.js";
import { placesOf } from "../bin/places.js";

const folder = mkdtempSync(join(tmpdir(), "cofferdam-build-"));
after(() => rmSync(folder, { recursive: true }));

async function built(source) {
  const entry = join(folder, "handler.js");
  writeFileSync(entry, source.replace("cofferdam-sdk", fileURLToPath(new URL("../src/index.js", import.meta.url))));
  return build(entry, join(folder, "handler.wasm"));
}

test("a component imports what its handler uses, and nothing that would have to be granted besides", async () => {
  const plain = await built('import { Output } from "cofferdam-sdk"; export const handle = (message) => Output.copyOf(message, "out");');
  assert.deepEqual(plain.imports.filter((name) => /keyvalue|http/.test(name)), []);
  const wasm = readFileSync(join(folder, "handler.wasm"));
  assert.equal(wasm.length, plain.bytes);
  assert.deepEqual(wasm.subarray(0, 4), Buffer.from("\0asm"));
  assert.deepEqual(readdirSync(folder).sort(), ["handler.js", "handler.wasm"]);
  const counting = await built('import { keyvalue } from "cofferdam-sdk"; export const handle = () => void keyvalue.open("a").increment("n");');
  assert.ok(counting.imports.includes("wasi:keyvalue/atomics@0.2.0-draft2"));
});

test("a module without a handler is refused by name", async () => {
  await assert.rejects(built("export const handler = 1;"), /handler\.js exports neither handle nor handleBatch/);
});

test("a module that asks the host for something while it is loaded is told so", async () => {
  const source = 'import { config } from "cofferdam-sdk"; const currency = config.get("currency"); export const handle = () => void currency;';
  await assert.rejects(built(source), /asks the host for wasi:config\/store@0\.2\.0-rc\.1#get while it is loaded/);
  await built('console.log("dropped"); const seed = Math.random(); export const handle = () => void seed;');
});

test("an SDK that lacks its packages or the contract says how it is installed", () => {
  const copy = join(folder, "copy");
  cpSync(fileURLToPath(new URL("..", import.meta.url)), copy, { recursive: true, filter: (path) => !/node_modules|\/test\/|\/template/.test(path) });
  const source = join(folder, "plain.js");
  writeFileSync(source, "export const handle = () => {};");
  const said = () => spawnSync(process.execPath, [join(copy, "bin/cofferdam-build.js"), source, join(folder, "plain.wasm")], { encoding: "utf8" }).stderr;
  assert.match(said(), /^cofferdam-build: (componentize-qjs|esbuild) is not installed with the SDK: .*npm install "\$\(npm pack CHECKOUT\/sdk\/js\)"/);
  symlinkSync(fileURLToPath(new URL("../node_modules", import.meta.url)), join(copy, "node_modules"));
  assert.match(said(), /^cofferdam-build: the contract is missing: .*npm pack/);
});

test("places are read from a source map", () => {
  const map = JSON.stringify({ sources: ["src/a.js", "src/b.js"], mappings: "AAAA;;AACA,IAAI;ACFJ" });
  assert.deepEqual(placesOf(map, "/p", "/p"), { files: ["src/a.js", "src/b.js"], lines: [[0, 1], null, [0, 2], [1, 0]] });
});
