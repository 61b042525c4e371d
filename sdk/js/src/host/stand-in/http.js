// Whoever the test lets answer.

import { HttpError } from "../../http-error.js";
import { world } from "./world.js";

export function send(request) {
  if (world.answerHttp === null) throw new HttpError("denied");
  return world.answerHttp(request);
}
