// Stacks as their author can read them.

/** The frame under which the SDK begins. The name is looked for in stacks: nothing else may be called so. */
export function calledByCofferdam(handle, argument) {
  return handle(argument);
}

/** An error with its causes, without the frames of the SDK: those below the author's, and those of its own checks. */
export function authorsPart(described) {
  return described.split(/\n(?=caused by: )/).map(ownFrames).join("\n");
}

function ownFrames(error) {
  const lines = error.split("\n");
  const border = lines.findIndex((line) => line.includes("calledByCofferdam"));
  const above = border === -1 ? lines : lines.slice(0, border);
  // What has no file of the sources is what the bundler made, for async functions for example.
  return above.filter((line) => !/^ +at .*((cofferdam-sdk|sdk\/js)\/src\/|\(componentize-qjs:user\.js:)/.test(line)).join("\n");
}

/**
 * A stack with files and lines of the sources in place of those of the bundle. `cofferdam-build` leaves the list behind:
 * for each line of the bundle the file, as an index into `files`, and the line; or null.
 */
export function places(stack, { files, lines } = globalThis.cofferdamPlaces ?? { files: [], lines: [] }) {
  return stack.replace(/\(componentize-qjs:user\.js:(\d+):\d+\)/g, (whole, line) => {
    const place = lines[line - 1];
    return place ? `(${files[place[0]]}:${place[1]})` : whole;
  });
}
