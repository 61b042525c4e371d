// A batch handler, in C++, with what C++ does before the first call.
#include "cofferdam.h"

namespace {

struct Started {
    int calls = 41;
    Started() { ++calls; }
} started;

void handle(cofferdam_attempt *attempts, size_t count) {
    static bool said = false;
    if (count > 1 && !said) {
        cofferdam_log(COFFERDAM_INFO, "several at once");
        said = true;
    }
    for (size_t at = 0; at < count; at++) {
        if (cofferdam_is(attempts[at].message->payload, "wrong")) {
            attempts[at].result = cofferdam_permanent("WRONG", "%zu of %zu", at, count);
            continue;
        }
        cofferdam_output_set_payload(cofferdam_output_new(attempts[at].outputs, "out"),
                                     cofferdam_format("%d", started.calls));
        attempts[at].result = cofferdam_done();
    }
}

} // namespace

COFFERDAM_BATCH_HANDLER(handle);
