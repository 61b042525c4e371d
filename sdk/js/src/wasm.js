// The ends of a call inside WebAssembly.

import stderr from "wasi:cli/stderr@0.2.12";
import { dispose, release } from "./host/imported/resources.js";
import { describe } from "./log.js";
import { authorsPart } from "./stack.js";
import { encode } from "./utf8.js";

/** Characters: the host takes the last 1 KiB of standard error into the text of a trap, and the engine adds to it. */
const ROOM = 640;

/** Standard error is where the host looks for the reason of a trap. */
function report(error) {
  const lines = authorsPart(describe(error));
  const text = lines.length <= ROOM ? lines : `${lines.slice(0, ROOM)} ...`;
  const stream = stderr.getStderr();
  stream.blockingWriteAndFlush(encode(`${text}\n`));
  dispose(stream);
}

export const host = { report, release };
