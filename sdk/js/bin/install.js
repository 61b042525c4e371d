// How the SDK is installed from a checkout, for those whose way lacks something.

import { fileURLToPath } from "node:url";

/** The sentence for the end of an error. */
export function install() {
  return `install it as a package, not as a link or a folder: npm install "$(npm pack CHECKOUT/sdk/js)"; it lies in ${fileURLToPath(new URL("..", import.meta.url))}`;
}
