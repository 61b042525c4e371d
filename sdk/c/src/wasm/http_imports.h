/* The functions of wasi:http and wasi:io that sending a request takes. */
#ifndef COFFERDAM_HTTP_IMPORTS_H
#define COFFERDAM_HTTP_IMPORTS_H

#include "convert.h"

#define TYPES "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"
#define POLL "wasi:io/poll@0.2.12"

/* resource fields; from-list: static func(entries: list<tuple<field-name, field-value>>) -> result<fields, header-error> */
COFFERDAM_IMPORT(TYPES, "[static]fields.from-list")
void wit_fields_from_list(const cofferdam_pair *entries, size_t count, wit_made *answer);
/* entries: func() -> list<tuple<field-name, field-value>> */
COFFERDAM_IMPORT(TYPES, "[method]fields.entries") void wit_fields_entries(int32_t self, wit_list *entries);
COFFERDAM_IMPORT(TYPES, "[resource-drop]fields") void wit_fields_drop(int32_t self);

/* resource outgoing-request; constructor(headers: headers) */
COFFERDAM_IMPORT(TYPES, "[constructor]outgoing-request") int32_t wit_request_new(int32_t headers);
/* set-method: func(method: method) -> result; of the variant only `other(string)` carries something */
COFFERDAM_IMPORT(TYPES, "[method]outgoing-request.set-method")
int32_t wit_request_set_method(int32_t self, int32_t method, const char *other, size_t length);
/* set-scheme: func(scheme: option<scheme>) -> result; likewise */
COFFERDAM_IMPORT(TYPES, "[method]outgoing-request.set-scheme")
int32_t wit_request_set_scheme(int32_t self, int32_t some, int32_t scheme, const char *other, size_t length);
/* set-authority: func(authority: option<string>) -> result */
COFFERDAM_IMPORT(TYPES, "[method]outgoing-request.set-authority")
int32_t wit_request_set_authority(int32_t self, int32_t some, const char *authority, size_t length);
/* set-path-with-query: func(path-with-query: option<string>) -> result */
COFFERDAM_IMPORT(TYPES, "[method]outgoing-request.set-path-with-query")
int32_t wit_request_set_path(int32_t self, int32_t some, const char *path, size_t length);
/* body: func() -> result<outgoing-body> */
COFFERDAM_IMPORT(TYPES, "[method]outgoing-request.body") void wit_request_body(int32_t self, wit_made *answer);
COFFERDAM_IMPORT(TYPES, "[resource-drop]outgoing-request") void wit_request_drop(int32_t self);

/* resource outgoing-body; write: func() -> result<output-stream> */
COFFERDAM_IMPORT(TYPES, "[method]outgoing-body.write") void wit_body_write(int32_t self, wit_made *answer);
/* finish: static func(this: outgoing-body, trailers: option<trailers>) -> result<_, error-code> */
COFFERDAM_IMPORT(TYPES, "[static]outgoing-body.finish")
void wit_body_finish(int32_t self, int32_t some, int32_t trailers, wit_http_result *answer);
COFFERDAM_IMPORT(TYPES, "[resource-drop]outgoing-body") void wit_body_drop(int32_t self);

/* resource output-stream; blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error> */
COFFERDAM_IMPORT(STREAMS, "[method]output-stream.blocking-write-and-flush")
void wit_stream_write(int32_t self, const char *bytes, size_t length, wit_stream_result *answer);
COFFERDAM_IMPORT(STREAMS, "[resource-drop]output-stream") void wit_output_stream_drop(int32_t self);

/* handle: func(request: outgoing-request, options: option<request-options>) -> result<future-incoming-response, error-code> */
COFFERDAM_IMPORT("wasi:http/outgoing-handler@0.2.12", "handle")
void wit_http_handle(int32_t request, int32_t some, int32_t options, wit_http_result *answer);

/* resource future-incoming-response; subscribe: func() -> pollable */
COFFERDAM_IMPORT(TYPES, "[method]future-incoming-response.subscribe") int32_t wit_future_subscribe(int32_t self);
/* get: func() -> option<result<result<incoming-response, error-code>>> */
COFFERDAM_IMPORT(TYPES, "[method]future-incoming-response.get")
void wit_future_get(int32_t self, wit_http_answer *answer);
COFFERDAM_IMPORT(TYPES, "[resource-drop]future-incoming-response") void wit_future_drop(int32_t self);

/* resource pollable; block: func() */
COFFERDAM_IMPORT(POLL, "[method]pollable.block") void wit_pollable_block(int32_t self);
COFFERDAM_IMPORT(POLL, "[resource-drop]pollable") void wit_pollable_drop(int32_t self);

/* resource incoming-response; status: func() -> status-code */
COFFERDAM_IMPORT(TYPES, "[method]incoming-response.status") int32_t wit_response_status(int32_t self);
/* headers: func() -> headers */
COFFERDAM_IMPORT(TYPES, "[method]incoming-response.headers") int32_t wit_response_headers(int32_t self);
/* consume: func() -> result<incoming-body> */
COFFERDAM_IMPORT(TYPES, "[method]incoming-response.consume") void wit_response_consume(int32_t self, wit_made *answer);
COFFERDAM_IMPORT(TYPES, "[resource-drop]incoming-response") void wit_response_drop(int32_t self);

/* resource incoming-body; stream: func() -> result<input-stream> */
COFFERDAM_IMPORT(TYPES, "[method]incoming-body.stream") void wit_incoming_stream(int32_t self, wit_made *answer);
COFFERDAM_IMPORT(TYPES, "[resource-drop]incoming-body") void wit_incoming_drop(int32_t self);

/* resource input-stream; blocking-read: func(len: u64) -> result<list<u8>, stream-error> */
COFFERDAM_IMPORT(STREAMS, "[method]input-stream.blocking-read")
void wit_stream_read(int32_t self, uint64_t length, wit_stream_result *answer);
COFFERDAM_IMPORT(STREAMS, "[resource-drop]input-stream") void wit_input_stream_drop(int32_t self);

/* http-error-code: func(err: borrow<io-error>) -> option<error-code> */
COFFERDAM_IMPORT(TYPES, "http-error-code") void wit_http_error_code(int32_t error, wit_http_option_error *answer);
COFFERDAM_IMPORT("wasi:io/error@0.2.12", "[resource-drop]error") void wit_io_error_drop(int32_t self);

#endif
