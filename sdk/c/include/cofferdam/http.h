/* Requests to other hosts, where they were granted: `capabilities = { http = ["api.example.com"] }`. A plugin that calls one
 * of these asks for that grant.
 *
 * The handler waits for the answer within its wall time. What a request did at the other host stays done when the handler
 * fails afterwards, and the same message may come again: give the request a key by which the host recognises a repeat, for
 * example the message's id. A redirect is an answer like any other. */
#ifndef COFFERDAM_HTTP_H
#define COFFERDAM_HTTP_H

#include "json.h"
#include "result.h"

COFFERDAM_BEGIN

/* A request. Its fields are for reading, in tests; the functions below write them. */
typedef struct cofferdam_http_request {
    cofferdam_string method;
    cofferdam_string url;
    cofferdam_pair *headers;
    size_t header_count;
    cofferdam_string body;
} cofferdam_http_request;

/* An answer. No status is a failure here. */
typedef struct cofferdam_http_response {
    uint16_t status;
    const cofferdam_pair *headers;
    size_t header_count;
    cofferdam_string body;
} cofferdam_http_response;

cofferdam_http_request *cofferdam_http_request_new(const char *method, const char *url);
void cofferdam_http_add_header(cofferdam_http_request *request, const char *name, cofferdam_string value);
void cofferdam_http_set_body(cofferdam_http_request *request, cofferdam_string body);

/* Sends the request and waits for all of the answer. Permanent CAPABILITY_DENIED: host, port, method, or the address that the
 * name leads to were not granted. Permanent VALIDATION_ERROR: this is no request, by its url, a header, or its size. Retryable
 * TIMEOUT: no answer in time. Retryable SERVICE_UNAVAILABLE: the host cannot be reached, failed too often, or broke off. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_http_send(const cofferdam_http_request *request,
                                                        cofferdam_http_response *response);

/* Sends a request with GET and without headers. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_http_get(const char *url, cofferdam_http_response *response);

/* The first header of that name, letter case aside, or none. */
cofferdam_string cofferdam_http_header(const cofferdam_http_response *response, const char *name);

COFFERDAM_END

#endif
