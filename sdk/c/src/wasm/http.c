/* The host's wasi:http. */
#include "../arena.h"
#include "http_error.h"
#include "http_imports.h"

/* What one write may have, by wasi:io. */
#define WRITE 4096
/* What one read takes. */
#define READ 65536

static const cofferdam_http_outcome answered = {COFFERDAM_HTTP_ANSWERED, NULL};
static const cofferdam_http_outcome broke_off = {COFFERDAM_HTTP_UNAVAILABLE, "the answer broke off"};
static const cofferdam_http_outcome taken_before = {COFFERDAM_HTTP_UNAVAILABLE, "the answer was taken before"};

static cofferdam_http_outcome invalid(const char *why) {
    cofferdam_http_outcome outcome = {COFFERDAM_HTTP_INVALID, why};
    return outcome;
}

/* The case of variant method; the last one is `other`. */
static int32_t method_of(cofferdam_string method) {
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    int32_t count = sizeof methods / sizeof *methods;
    for (int32_t at = 0; at < count; at++)
        if (cofferdam_is(method, methods[at]))
            return at;
    return count;
}

/* The case of variant scheme. */
static int32_t scheme_of(cofferdam_string scheme) {
    return cofferdam_is(scheme, "http") ? 0 : cofferdam_is(scheme, "https") ? 1 : 2;
}

static const char *fill(int32_t outgoing, const cofferdam_http_request *request, const cofferdam_url *url) {
    if (wit_request_set_method(outgoing, method_of(request->method), request->method.data, request->method.length))
        return "the method";
    if (wit_request_set_scheme(outgoing, 1, scheme_of(url->scheme), url->scheme.data, url->scheme.length))
        return "the scheme";
    if (wit_request_set_authority(outgoing, 1, url->authority.data, url->authority.length))
        return "the host";
    if (wit_request_set_path(outgoing, 1, url->path.data, url->path.length))
        return "the path";
    return NULL;
}

/* A host that has heard enough, or was not granted, takes no more of it; the answer says which. */
static void write_body(int32_t body, cofferdam_string bytes) {
    wit_made stream;
    wit_stream_result written = {0, {{0, 0}}};
    wit_http_result finished;
    wit_body_write(body, &stream);
    if (stream.is_error) {
        wit_body_drop(body);
        return;
    }
    for (size_t at = 0; at < bytes.length && !written.is_error; at += WRITE) {
        size_t left = bytes.length - at;
        wit_stream_write(stream.of.handle, bytes.data + at, left < WRITE ? left : WRITE, &written);
    }
    wit_output_stream_drop(stream.of.handle);
    if (!written.is_error) {
        wit_body_finish(body, 0, 0, &finished);
        return;
    }
    if (!written.of.error.closed)
        wit_io_error_drop(written.of.error.handle);
    wit_body_drop(body);
}

static cofferdam_http_outcome stream_error(int32_t error) {
    wit_http_option_error code;
    wit_http_error_code(error, &code);
    wit_io_error_drop(error);
    return code.some ? cofferdam_http_error(code.error.kind) : broke_off;
}

/* The pieces are in memory already, and are put together once: an answer takes twice its size, not more. */
static cofferdam_string join(const cofferdam_string *pieces, size_t count) {
    size_t length = 0, at = 0;
    for (size_t piece = 0; piece < count; piece++)
        length += pieces[piece].length;
    char *whole = cofferdam_arena_string(length);
    for (size_t piece = 0; piece < count; piece++) {
        memcpy(whole + at, pieces[piece].data, pieces[piece].length);
        at += pieces[piece].length;
    }
    return cofferdam_bytes(whole, length);
}

static cofferdam_http_outcome read_stream(int32_t stream, cofferdam_string *bytes) {
    cofferdam_string *pieces = NULL;
    size_t count = 0;
    wit_stream_result read;
    for (wit_stream_read(stream, READ, &read); !read.is_error; wit_stream_read(stream, READ, &read)) {
        pieces = cofferdam_arena_one_more(pieces, count, sizeof(cofferdam_string));
        pieces[count++] = cofferdam_lift(read.of.bytes);
    }
    if (!read.of.error.closed)
        return stream_error(read.of.error.handle);
    *bytes = join(pieces, count);
    return answered;
}

static cofferdam_http_outcome read_body(int32_t response, cofferdam_string *bytes) {
    wit_made body, stream;
    wit_response_consume(response, &body);
    if (body.is_error)
        return taken_before;
    wit_incoming_stream(body.of.handle, &stream);
    cofferdam_http_outcome outcome = broke_off;
    if (!stream.is_error) {
        outcome = read_stream(stream.of.handle, bytes);
        wit_input_stream_drop(stream.of.handle);
    }
    wit_incoming_drop(body.of.handle);
    return outcome;
}

static cofferdam_http_outcome wait_for(int32_t future, int32_t *response) {
    wit_http_answer answer;
    int32_t ready = wit_future_subscribe(future);
    wit_pollable_block(ready);
    wit_pollable_drop(ready);
    wit_future_get(future, &answer);
    wit_future_drop(future);
    if (!answer.some || answer.once.is_error)
        return taken_before;
    if (answer.once.result.is_error)
        return cofferdam_http_error(answer.once.result.of.error.kind);
    *response = answer.once.result.of.handle;
    return answered;
}

static cofferdam_http_outcome exchange(int32_t outgoing, cofferdam_string body, int32_t *response) {
    wit_made sent = {0, {0}};
    wit_http_result future;
    if (body.length > 0)
        wit_request_body(outgoing, &sent);
    if (sent.is_error) {
        wit_request_drop(outgoing);
        return invalid("the length");
    }
    wit_http_handle(outgoing, 0, 0, &future);
    if (future.is_error) {
        if (body.length > 0)
            wit_body_drop(sent.of.handle);
        return cofferdam_http_error(future.of.error.kind);
    }
    if (body.length > 0)
        write_body(sent.of.handle, body);
    return wait_for(future.of.handle, response);
}

cofferdam_http_outcome cofferdam_host_http(const cofferdam_http_request *request, const cofferdam_url *url,
                                           cofferdam_http_response *response) {
    wit_made fields;
    wit_fields_from_list(request->headers, request->header_count, &fields);
    if (fields.is_error)
        return invalid("a header");
    int32_t outgoing = wit_request_new(fields.of.handle), answer;
    const char *wrong = fill(outgoing, request, url);
    if (wrong != NULL) {
        wit_request_drop(outgoing);
        return invalid(wrong);
    }
    cofferdam_http_outcome outcome = exchange(outgoing, request->body, &answer);
    if (outcome.kind != COFFERDAM_HTTP_ANSWERED)
        return outcome;
    wit_list entries;
    int32_t headers = wit_response_headers(answer);
    wit_fields_entries(headers, &entries);
    wit_fields_drop(headers);
    response->status = (uint16_t)wit_response_status(answer);
    response->headers = cofferdam_lift_pairs(entries);
    response->header_count = entries.length;
    outcome = read_body(answer, &response->body);
    wit_response_drop(answer);
    return outcome;
}
