// Compiled only, as the sources of a new project are: a global that a component does not have is refused.

import { Output, type Message } from "cofferdam-sdk";

export function handle(message: Message): Output {
  console.log(new TextDecoder().decode(new TextEncoder().encode("a")), crypto.randomUUID(), { a: 1 });
  crypto.getRandomValues(new Uint8Array(8));
  return Output.json("out", atob(btoa(message.text())));
}

export const missing = () => {
  // @ts-expect-error
  Buffer.from("a");
  // @ts-expect-error
  setTimeout(() => {}, 1);
  // @ts-expect-error
  fetch("https://api.example.com/");
  // @ts-expect-error
  new URL("https://api.example.com/");
  // @ts-expect-error
  process.env;
  // @ts-expect-error
  structuredClone({});
};
