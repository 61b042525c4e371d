// The host's `wasi:config`.

import store from "wasi:config/store@0.2.0-rc.1";

export const get = (name) => said(() => store.get(name));
export const all = () => said(() => store.getAll());

function said(question) {
  try {
    return question();
  } catch (error) {
    throw new Error(error.payload?.val ?? error.message); // upstream(text) or io(text)
  }
}
