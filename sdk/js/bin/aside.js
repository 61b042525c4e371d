// componentize-qjs runs the module once with a wasi:io of its own, and with traps in place of wasi:http. The traps have
// resources of their own, and requests need streams that are the same in both: it refuses to build. So requests are built
// with both packages under another name, which has traps for all of it, and get their name back in the component.
//
// Their version is another than that of the engine's wasi:io, which stays beside it: a component cannot import a name
// twice. Hosts take every 0.2 for the same.

const PACKAGES = "(?=(?:http|io)(?:/[a-z-]+)?@0\\.2\\.11)";

const IMPORTS = 10;

/** Gives the packages of requests their other name, in WIT and in JavaScript. */
export function aside(text) {
  return text.replace(new RegExp(`\\bwasi:${PACKAGES}`, "g"), "wazi:");
}

/** Gives them their name back, in the imports of a component and nowhere else. Both names have the same length. */
export function back(component) {
  const bytes = Buffer.from(component);
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at];
    const { value: size, next } = leb128(bytes, at + 1);
    if (id === IMPORTS) {
      const section = bytes.subarray(next, next + size);
      section.write(section.toString("latin1").replace(new RegExp(`wazi:${PACKAGES}`, "g"), "wasi:"), "latin1");
    }
    at = next + size;
  }
  return bytes;
}

function leb128(bytes, at) {
  let [value, shift] = [0, 0];
  for (;;) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, next: at };
    shift += 7;
  }
}
