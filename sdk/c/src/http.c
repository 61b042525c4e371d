#include "cofferdam/http.h"

#include "arena.h"
#include "host.h"
#include "pairs.h"

cofferdam_http_request *cofferdam_http_request_new(const char *method, const char *url) {
    cofferdam_http_request *request = cofferdam_allocate(sizeof *request);
    memset(request, 0, sizeof *request);
    request->method = cofferdam_keep(cofferdam_text(method));
    request->url = cofferdam_keep(cofferdam_text(url));
    return request;
}

void cofferdam_http_add_header(cofferdam_http_request *request, const char *name, cofferdam_string value) {
    cofferdam_pairs_add(&request->headers, &request->header_count, cofferdam_text(name), value);
}

void cofferdam_http_set_body(cofferdam_http_request *request, cofferdam_string body) {
    request->body = cofferdam_keep(body);
}

static cofferdam_string between(const char *start, const char *end) {
    return cofferdam_bytes(start, (size_t)(end - start));
}

/* NULL, or what is wrong with the url. */
static const char *take_apart(cofferdam_string text, cofferdam_url *url) {
    for (size_t at = 0; at < text.length; at++)
        if ((unsigned char)text.data[at] <= ' ' || text.data[at] == 0x7F)
            return "the url has a space or a control character";
    const char *scheme_end = strstr(text.data, "://");
    if (scheme_end == NULL || scheme_end == text.data)
        return "the url has no scheme";
    const char *authority = scheme_end + 3;
    const char *path = authority + strcspn(authority, "/?#");
    if (path == authority)
        return "the url has no host";
    url->scheme = between(text.data, scheme_end);
    url->authority = between(authority, path);
    url->path = between(path, path + strcspn(path, "#"));
    if (*path != '/')
        url->path = cofferdam_format("/%.*s", (int)url->path.length, path);
    return NULL;
}

static cofferdam_result invalid(const char *why) {
    return cofferdam_validation_error("the request cannot be sent: %s", why);
}

static cofferdam_result check(const cofferdam_http_request *request) {
    if (!cofferdam_is_utf8(request->method) || !cofferdam_is_utf8(request->url))
        return invalid("method and url have to be UTF-8");
    for (size_t at = 0; at < request->header_count; at++)
        if (!cofferdam_is_utf8(request->headers[at].name))
            return invalid("a header's name is not UTF-8");
    return cofferdam_done();
}

/* With the length of the body, which the host does not add, and without which a server has to be told piece by piece. */
static cofferdam_http_request with_length(const cofferdam_http_request *request) {
    cofferdam_http_request all = {request->method, request->url, NULL, 0, request->body};
    bool has_length = request->body.length == 0;
    for (size_t at = 0; at < request->header_count; at++) {
        has_length = has_length || cofferdam_same_name(request->headers[at].name, cofferdam_text("content-length"));
        cofferdam_pairs_add(&all.headers, &all.header_count, request->headers[at].name, request->headers[at].value);
    }
    if (!has_length)
        cofferdam_pairs_add(&all.headers, &all.header_count, cofferdam_text("content-length"),
                            cofferdam_format("%lu", (unsigned long)request->body.length));
    return all;
}

cofferdam_result cofferdam_http_send(const cofferdam_http_request *request, cofferdam_http_response *response) {
    COFFERDAM_TRY(check(request));
    cofferdam_url url;
    const char *wrong = take_apart(request->url, &url);
    if (wrong != NULL)
        return invalid(wrong);
    cofferdam_http_request all = with_length(request);
    cofferdam_http_outcome outcome = cofferdam_host_http(&all, &url, response);
    switch (outcome.kind) {
    case COFFERDAM_HTTP_ANSWERED:
        return cofferdam_done();
    case COFFERDAM_HTTP_DENIED:
        return cofferdam_permanent("CAPABILITY_DENIED", "the request was not granted");
    case COFFERDAM_HTTP_INVALID:
        return invalid(outcome.why);
    case COFFERDAM_HTTP_TIMEOUT:
        return cofferdam_retryable("TIMEOUT", "no answer in time");
    case COFFERDAM_HTTP_UNAVAILABLE:
        break;
    }
    return cofferdam_retryable("SERVICE_UNAVAILABLE", "the host is not available: %s", outcome.why);
}

cofferdam_result cofferdam_http_get(const char *url, cofferdam_http_response *response) {
    return cofferdam_http_send(cofferdam_http_request_new("GET", url), response);
}

cofferdam_string cofferdam_http_header(const cofferdam_http_response *response, const char *name) {
    for (size_t at = 0; at < response->header_count; at++)
        if (cofferdam_same_name(response->headers[at].name, cofferdam_text(name)))
            return response->headers[at].value;
    return cofferdam_none();
}
