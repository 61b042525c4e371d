// The host's `wasi:http`.

import outgoing from "wasi:http/outgoing-handler@0.2.11";
import types from "wasi:http/types@0.2.11";
import { HttpError } from "../../http-error.js";
import { dispose, own, within } from "./resources.js";

/** What one write may have, by `wasi:io`. */
const WRITE = 4096;
/** What one read takes. */
const READ = 64 * 1024;

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);

export const send = (request) => within(() => exchange(request));

function exchange({ method, url, headers, body }) {
  const { request, sink } = requestOf(method, url, headers, body);
  const future = own(failing(() => outgoing.handle(request, null)));
  if (sink !== null) write(sink, body);
  own(future.subscribe()).block();
  const answer = own(unwrapped(future.get()));
  const entries = own(answer.headers()).entries();
  return { status: answer.status(), headers: entries, body: read(own(answer.consume())) };
}

function requestOf(method, url, headers, body) {
  const parts = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^#]*)/i.exec(url);
  if (parts === null) throw new HttpError("invalid", "the url has no scheme");
  const [, scheme, authority, rest] = parts;
  const all = [...headers];
  if (body.length > 0 && !all.some(([name]) => name.toLowerCase() === "content-length")) {
    all.push(["content-length", Uint8Array.from(String(body.length), (digit) => digit.charCodeAt(0))]);
  }
  const fields = valid("a header", () => types.Fields.fromList(all));
  const request = new types.OutgoingRequest(fields);
  valid("the method", () => request.setMethod(methodOf(method)));
  valid("the scheme", () => request.setScheme(schemeOf(scheme.toLowerCase())));
  valid("the host", () => request.setAuthority(authority));
  valid("the path", () => request.setPathWithQuery(rest.startsWith("/") ? rest : `/${rest}`));
  const sink = body.length === 0 ? null : valid("the length", () => request.body());
  return { request, sink };
}

function methodOf(method) {
  return METHODS.has(method) ? { tag: method.toLowerCase() } : { tag: "other", val: method };
}

function schemeOf(scheme) {
  if (scheme === "http" || scheme === "https") return { tag: scheme.toUpperCase() };
  return { tag: "other", val: scheme };
}

/** A host that has heard enough, or was not granted, takes no more of it; the answer says which. */
function write(sink, body) {
  const stream = sink.write();
  try {
    for (let start = 0; start < body.length; start += WRITE) {
      stream.blockingWriteAndFlush(body.slice(start, start + WRITE));
    }
  } catch (error) {
    release(error);
    dispose(stream);
    dispose(sink);
    return;
  }
  dispose(stream);
  failing(() => types.OutgoingBody.finish(sink, null));
}

function read(body) {
  const stream = own(body.stream());
  const pieces = [];
  let length = 0;
  for (;;) {
    let piece;
    try {
      piece = stream.blockingRead(READ);
    } catch (error) {
      if (error.payload?.tag === "closed") return joined(pieces, length);
      const code = error.payload?.tag === "last-operation-failed" ? types.httpErrorCode(error.payload.val) : null;
      release(error);
      throw code ? errorOf(code) : new HttpError("unavailable", "the answer broke off");
    }
    pieces.push(piece);
    length += piece.length;
  }
}

function joined(pieces, length) {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** `option<result<result<response, error-code>>>`, of which the outer two say that it was not taken before. */
function unwrapped(answer) {
  const inner = answer?.val;
  if (answer?.tag !== "ok") throw new HttpError("unavailable", "the answer was taken before");
  if (inner.tag === "err") throw errorOf(inner.val);
  return inner.val;
}

function valid(what, step) {
  try {
    return step();
  } catch {
    throw new HttpError("invalid", what);
  }
}

function failing(step) {
  try {
    return step();
  } catch (error) {
    throw error.payload === undefined ? error : errorOf(error.payload);
  }
}

/** The error of a stream is a handle, too. */
function release(error) {
  if (error.payload?.tag === "last-operation-failed") dispose(error.payload.val);
}

function errorOf(code) {
  switch (code.tag) {
    case "HTTP-request-denied":
    case "destination-IP-prohibited":
      return new HttpError("denied");
    case "connection-timeout":
    case "connection-read-timeout":
    case "connection-write-timeout":
    case "DNS-timeout":
    case "HTTP-response-timeout":
      return new HttpError("timeout");
    case "HTTP-request-body-size":
    case "HTTP-request-URI-invalid":
    case "HTTP-request-method-invalid":
    case "HTTP-request-length-required":
    case "HTTP-request-URI-too-long":
      return new HttpError("invalid", code.tag);
    default:
      return new HttpError("unavailable", code.tag === "internal-error" ? (code.val ?? code.tag) : code.tag);
  }
}
