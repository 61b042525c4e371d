// What an author imports. `types/index.d.ts` says what each of these is for.

export { Message } from "./message.js";
export { Output } from "./output.js";
export { Deferred, Failure, Permanent, Retryable } from "./failure.js";
export * as cloudevents from "./cloudevents.js";
export * as config from "./config.js";
export * as http from "./http.js";
export * as keyvalue from "./keyvalue.js";
export * as log from "./log.js";
export * as utf8 from "./utf8.js";
