#include "http_error.h"

#define DENIED COFFERDAM_HTTP_DENIED
#define INVALID COFFERDAM_HTTP_INVALID
#define TIMEOUT COFFERDAM_HTTP_TIMEOUT
#define UNAVAILABLE COFFERDAM_HTTP_UNAVAILABLE

/* In the order of the cases. */
static const cofferdam_http_outcome outcomes[] = {
    {TIMEOUT, "DNS-timeout"},
    {UNAVAILABLE, "DNS-error"},
    {UNAVAILABLE, "destination-not-found"},
    {UNAVAILABLE, "destination-unavailable"},
    {DENIED, "destination-IP-prohibited"},
    {UNAVAILABLE, "destination-IP-unroutable"},
    {UNAVAILABLE, "connection-refused"},
    {UNAVAILABLE, "connection-terminated"},
    {TIMEOUT, "connection-timeout"},
    {TIMEOUT, "connection-read-timeout"},
    {TIMEOUT, "connection-write-timeout"},
    {UNAVAILABLE, "connection-limit-reached"},
    {UNAVAILABLE, "TLS-protocol-error"},
    {UNAVAILABLE, "TLS-certificate-error"},
    {UNAVAILABLE, "TLS-alert-received"},
    {DENIED, "HTTP-request-denied"},
    {INVALID, "HTTP-request-length-required"},
    {INVALID, "HTTP-request-body-size"},
    {INVALID, "HTTP-request-method-invalid"},
    {INVALID, "HTTP-request-URI-invalid"},
    {INVALID, "HTTP-request-URI-too-long"},
    {UNAVAILABLE, "HTTP-request-header-section-size"},
    {UNAVAILABLE, "HTTP-request-header-size"},
    {UNAVAILABLE, "HTTP-request-trailer-section-size"},
    {UNAVAILABLE, "HTTP-request-trailer-size"},
    {UNAVAILABLE, "HTTP-response-incomplete"},
    {UNAVAILABLE, "HTTP-response-header-section-size"},
    {UNAVAILABLE, "HTTP-response-header-size"},
    {UNAVAILABLE, "HTTP-response-body-size"},
    {UNAVAILABLE, "HTTP-response-trailer-section-size"},
    {UNAVAILABLE, "HTTP-response-trailer-size"},
    {UNAVAILABLE, "HTTP-response-transfer-coding"},
    {UNAVAILABLE, "HTTP-response-content-coding"},
    {TIMEOUT, "HTTP-response-timeout"},
    {UNAVAILABLE, "HTTP-upgrade-failed"},
    {UNAVAILABLE, "HTTP-protocol-error"},
    {UNAVAILABLE, "loop-detected"},
    {UNAVAILABLE, "configuration-error"},
    {UNAVAILABLE, "internal-error"},
};
_Static_assert(sizeof outcomes / sizeof *outcomes == 39, "one for each case");

cofferdam_http_outcome cofferdam_http_error(uint8_t code) {
    if (code < sizeof outcomes / sizeof *outcomes)
        return outcomes[code];
    cofferdam_http_outcome unknown = {UNAVAILABLE, "an error of another version of wasi:http"};
    return unknown;
}
