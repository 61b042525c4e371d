// Values in the texts of errors.

/** A value as an error names it. */
export function shown(value) {
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return typeof value === "string" ? JSON.stringify(value) : String(value);
  let text;
  try {
    text = JSON.stringify(value);
  } catch {
    // A cycle or a BigInt: its type has to do.
  }
  const type = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
  if (text === undefined || (type !== "Object" && type !== "Array")) return `an object of type ${type}`;
  return text.length <= 80 ? text : `${text.slice(0, 80)} ...`;
}
