#include "world.h"

#define WORLD (&cofferdam_the_world)

void cofferdam_test_set_http(cofferdam_test_server *server) {
    WORLD->server = server;
}

static cofferdam_http_kind kind_of(cofferdam_result failure) {
    if (cofferdam_is(failure.code, "CAPABILITY_DENIED"))
        return COFFERDAM_HTTP_DENIED;
    if (cofferdam_is(failure.code, "VALIDATION_ERROR"))
        return COFFERDAM_HTTP_INVALID;
    return cofferdam_is(failure.code, "TIMEOUT") ? COFFERDAM_HTTP_TIMEOUT : COFFERDAM_HTTP_UNAVAILABLE;
}

cofferdam_http_outcome cofferdam_host_http(const cofferdam_http_request *request, const cofferdam_url *url,
                                           cofferdam_http_response *response) {
    cofferdam_http_outcome outcome = {COFFERDAM_HTTP_DENIED, ""};
    (void)url;
    if (WORLD->server == NULL)
        return outcome;
    memset(response, 0, sizeof *response);
    cofferdam_result answered = WORLD->server(request, response);
    outcome.kind = cofferdam_failed(answered) ? kind_of(answered) : COFFERDAM_HTTP_ANSWERED;
    outcome.why = answered.text.data;
    return outcome;
}
