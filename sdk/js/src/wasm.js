// The ends of a call inside WebAssembly.

import stderr from "wasi:cli/stderr@0.2.12";
import { promises } from "./globals.js";
import { dispose, release as giveBack } from "./host/imported/resources.js";
import { describe, error as logError } from "./log.js";
import { authorsPart } from "./stack.js";
import { encode } from "./utf8.js";

/** Characters: what is behind them is more than the host keeps of a report. */
const ROOM = 4096;

/** Standard error is where the host looks for the reason of a trap: `Uncaught`, then the error, then a frame a line. */
function report(error) {
  const lines = `Uncaught ${authorsPart(describe(error))}`;
  const text = lines.length <= ROOM ? lines : `${lines.slice(0, ROOM)} ...`;
  const stream = stderr.getStderr();
  stream.blockingWriteAndFlush(encode(`${text}\n`));
  dispose(stream);
}

/** Throws the rejection that nobody hears of, and logs that a callback never runs. */
function ended() {
  const later = promises.ended();
  if (later !== null) logError(authorsPart(describe(later)));
}

function release() {
  promises.forget();
  giveBack();
}

export const host = { report, ended, release };
