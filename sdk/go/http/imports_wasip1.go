package http

// The host's functions, as the canonical ABI has them: a text, list or option as its parts, and the address for the answer last where
// it is more than a number.

// from-list: static func(entries: list<tuple<field-name, field-value>>) -> result<fields, header-error>
//
//go:wasmimport wasi:http/types@0.2.12 [static]fields.from-list
func fieldsFromList(entries, length, result uint32)

// entries: func() -> list<tuple<field-name, field-value>>
//
//go:wasmimport wasi:http/types@0.2.12 [method]fields.entries
func fieldsEntries(fields, result uint32)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]fields
func dropFields(fields uint32)

// constructor(headers: headers)
//
//go:wasmimport wasi:http/types@0.2.12 [constructor]outgoing-request
func newRequest(headers uint32) uint32

// set-method: func(method: method) -> result
//
//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-method
func setMethod(request, method, other, otherLength uint32) uint32

// set-scheme: func(scheme: option<scheme>) -> result
//
//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-scheme
func setScheme(request, some, scheme, other, otherLength uint32) uint32

// set-authority: func(authority: option<string>) -> result
//
//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-authority
func setAuthority(request, some, authority, length uint32) uint32

// set-path-with-query: func(path-with-query: option<string>) -> result
//
//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.set-path-with-query
func setPath(request, some, path, length uint32) uint32

// body: func() -> result<outgoing-body>
//
//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-request.body
func requestBody(request, result uint32)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]outgoing-request
func dropRequest(request uint32)

// write: func() -> result<output-stream>
//
//go:wasmimport wasi:http/types@0.2.12 [method]outgoing-body.write
func bodyWrite(body, result uint32)

// finish: static func(this: outgoing-body, trailers: option<trailers>) -> result<_, error-code>
//
//go:wasmimport wasi:http/types@0.2.12 [static]outgoing-body.finish
func bodyFinish(body, some, trailers, result uint32)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]outgoing-body
func dropOutgoingBody(body uint32)

// handle: func(request: outgoing-request, options: option<request-options>) -> result<future-incoming-response, error-code>
//
//go:wasmimport wasi:http/outgoing-handler@0.2.12 handle
func handle(request, some, options, result uint32)

// subscribe: func() -> pollable
//
//go:wasmimport wasi:http/types@0.2.12 [method]future-incoming-response.subscribe
func subscribe(future uint32) uint32

// get: func() -> option<result<result<incoming-response, error-code>>>
//
//go:wasmimport wasi:http/types@0.2.12 [method]future-incoming-response.get
func futureGet(future, result uint32)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]future-incoming-response
func dropFuture(future uint32)

// status: func() -> status-code
//
//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.status
func responseStatus(response uint32) uint32

// headers: func() -> headers
//
//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.headers
func responseHeaders(response uint32) uint32

// consume: func() -> result<incoming-body>
//
//go:wasmimport wasi:http/types@0.2.12 [method]incoming-response.consume
func responseConsume(response, result uint32)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]incoming-response
func dropResponse(response uint32)

// stream: func() -> result<input-stream>
//
//go:wasmimport wasi:http/types@0.2.12 [method]incoming-body.stream
func bodyStream(body, result uint32)

//go:wasmimport wasi:http/types@0.2.12 [resource-drop]incoming-body
func dropIncomingBody(body uint32)

// http-error-code: func(err: borrow<io-error>) -> option<error-code>
//
//go:wasmimport wasi:http/types@0.2.12 http-error-code
func httpErrorCode(err, result uint32)

// blocking-read: func(len: u64) -> result<list<u8>, stream-error>
//
//go:wasmimport wasi:io/streams@0.2.12 [method]input-stream.blocking-read
func blockingRead(stream uint32, length uint64, result uint32)

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]input-stream
func dropInputStream(stream uint32)

// blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>
//
//go:wasmimport wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush
func blockingWrite(stream, contents, length, result uint32)

//go:wasmimport wasi:io/streams@0.2.12 [resource-drop]output-stream
func dropOutputStream(stream uint32)

//go:wasmimport wasi:io/error@0.2.12 [resource-drop]error
func dropError(err uint32)

// block: func()
//
//go:wasmimport wasi:io/poll@0.2.12 [method]pollable.block
func block(pollable uint32)

//go:wasmimport wasi:io/poll@0.2.12 [resource-drop]pollable
func dropPollable(pollable uint32)
