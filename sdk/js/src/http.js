// Requests to other hosts, where they were granted: `capabilities = { http = ["api.example.com"] }`.
//
// What a request did at the other host stays done when the handler fails afterwards: give it a key by which the host
// recognises a repeat, for example the message's id. A redirect is an answer like any other.

import * as host from "#host/http";
import { Permanent, Retryable } from "./failure.js";
import { HttpError } from "./http-error.js";
import { parse } from "./json.js";
import { headersOf, optionsOf } from "./pairs.js";
import { bytesOf, decode } from "./utf8.js";

export const get = (url, options) => request("GET", url, options);
export const post = (url, body, options) => request("POST", url, withBody(options, body));
export const put = (url, body, options) => request("PUT", url, withBody(options, body));

export function request(method, url, options) {
  const { headers, body } = optionsOf(options, "a request", ["headers", "body"]);
  const bytes = body === undefined || body === null ? new Uint8Array(0) : bytesOf(body, "the body of a request");
  const fields = headersOf(headers, "a request").map(({ name, value }) => [name, value]);
  try {
    return new Response(host.send({ method, url: String(url), headers: fields, body: bytes }), url);
  } catch (error) {
    throw error instanceof HttpError ? failureOf(error) : error;
  }
}

export class Response {
  #host;

  constructor({ status, headers, body }, url) {
    this.#host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)/i.exec(url)?.[1] ?? "";
    this.status = status;
    this.headers = headersOf(headers, "an answer").map(({ name, value }) => [name, value]);
    this.body = bytesOf(body ?? "", "a body");
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  header(name) {
    const wanted = name.toLowerCase();
    const found = this.headers.findLast(([known]) => known.toLowerCase() === wanted);
    return found === undefined ? null : decode(found[1]);
  }

  text() {
    try {
      return decode(this.body);
    } catch (error) {
      throw this.#isNo("text", error);
    }
  }

  json() {
    const text = this.text();
    try {
      return parse(text);
    } catch (error) {
      throw this.#isNo("JSON", error);
    }
  }

  #isNo(what, { message }) {
    const answer = this.#host === "" ? "the answer" : `the answer of ${this.#host}`;
    return new Retryable("INVALID_RESPONSE", `${answer} with status ${this.status} is no ${what}: ${message}`);
  }
}

function withBody(options, body) {
  return { ...optionsOf(options, "a request with its body as an argument", ["headers"]), body };
}

function failureOf({ kind, message }) {
  switch (kind) {
    case "denied":
      return new Permanent("CAPABILITY_DENIED", "the request was not granted");
    case "invalid":
      return Permanent.validation(`the request cannot be sent: ${message}`);
    case "timeout":
      return new Retryable("TIMEOUT", "no answer in time");
    default:
      return new Retryable("SERVICE_UNAVAILABLE", `the host is not available: ${message}`);
  }
}
