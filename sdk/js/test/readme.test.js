// The examples of the page, as they stand there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { utf8 } from "cofferdam-sdk";
import * as testing from "cofferdam-sdk/test";

const page = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const blocks = Array.from(page.matchAll(/```js\n(.*?)```/gs), ([, block]) => block);
const exported = (source) => {
  const url = (name) => JSON.stringify(import.meta.resolve(name));
  const text = source.replace(/from "(cofferdam-sdk(?:\/test)?)"/g, (_, name) => `from ${url(name)}`);
  return `data:text/javascript,${encodeURIComponent(text)}`;
};

beforeEach(testing.reset);

await import(exported(blocks[2].replace("../src/handler.js", exported(blocks[0]))));

test("the handler with a bucket and a request runs", async () => {
  const { handle } = await import(exported(blocks[1]));
  testing.answerHttp(({ headers }) => {
    assert.deepEqual(headers, [["accept", utf8.encode("application/json")]]);
    return { status: 200, body: '{"EUR": 1}' };
  });
  const output = handle(testing.message());
  assert.deepEqual(output.headers.map(({ name, value }) => [name, utf8.decode(value)]), [["x-count", "1"], ["x-tag", "a"], ["x-tag", "b"]]);
  assert.equal(handle(testing.message()), undefined);
});
