// From the source map of a bundle to the file and line of each of its lines, which is what a stack can show.

import { relative, resolve } from "node:path";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** `{ files, lines }` as `src/stack.js` takes it. Paths are relative to `folder`, and those in `base` to it. */
export function placesOf(map, base, folder) {
  const { sources, mappings } = JSON.parse(map);
  const lines = [];
  let [source, line] = [0, 0];
  for (const segments of mappings.split(";")) {
    let place = null;
    for (const segment of segments === "" ? [] : segments.split(",")) {
      const [, sourceDelta, lineDelta] = numbers(segment);
      if (sourceDelta === undefined) continue;
      source += sourceDelta;
      line += lineDelta;
      place ??= [source, line + 1];
    }
    lines.push(place);
  }
  return { files: sources.map((file) => relative(folder, resolve(base, file))), lines };
}

/** The numbers of a segment: groups of five bits, the sixth says that there are more, the lowest of all is the sign. */
function numbers(segment) {
  const found = [];
  let [value, shift] = [0, 0];
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    found.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return found;
}
