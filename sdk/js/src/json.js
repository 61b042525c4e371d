// JSON that comes from elsewhere.

const SURROGATE = /\\u[dD][89a-fA-F]/;

/** The value of a text in JSON. Half of a surrogate pair has no UTF-8, and would end the instance where the host is given it. */
export function parse(text) {
  return SURROGATE.test(text) ? JSON.parse(text, wellFormed) : JSON.parse(text);
}

function wellFormed(name, value) {
  if (!name.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) throw new SyntaxError("half of a surrogate pair");
  return value;
}
