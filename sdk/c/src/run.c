#include "run.h"

#include <stdio.h>

#include "arena.h"

cofferdam_outputs *cofferdam_outputs_new(void) {
    cofferdam_outputs *outputs = cofferdam_allocate(sizeof(cofferdam_outputs));
    memset(outputs, 0, sizeof *outputs);
    outputs->failure = cofferdam_done();
    return outputs;
}

cofferdam_attempt *cofferdam_attempts_new(const cofferdam_message *messages, size_t count) {
    cofferdam_attempt *attempts = cofferdam_allocate(count * sizeof(cofferdam_attempt));
    for (size_t at = 0; at < count; at++) {
        memset(&attempts[at].result, 0, sizeof attempts[at].result);
        attempts[at].message = &messages[at];
        attempts[at].outputs = cofferdam_outputs_new();
    }
    return attempts;
}

static cofferdam_result ended(cofferdam_result result, const cofferdam_message *message, const cofferdam_outputs *outputs) {
    switch (result.outcome) {
    case COFFERDAM_DONE:
        return outputs->failure;
    case COFFERDAM_RETRYABLE:
    case COFFERDAM_PERMANENT:
    case COFFERDAM_DEFERRED:
        return result;
    case COFFERDAM_UNDECIDED:
        break;
    }
    cofferdam_abort("the handler returned no result for message \"%s\"", message->id.data);
}

/* Closes what was opened while the host can be asked, and writes what `printf` has kept back: nobody does it later. */
static void finish(void) {
    cofferdam_arena_end();
    fflush(NULL);
}

cofferdam_result cofferdam_run(cofferdam_handler *handler, const cofferdam_message *message, cofferdam_outputs *outputs) {
    cofferdam_result result = ended(handler(message, outputs), message, outputs);
    finish();
    return result;
}

void cofferdam_run_batch(cofferdam_batch_handler *handler, cofferdam_attempt *attempts, size_t count) {
    handler(attempts, count);
    for (size_t at = 0; at < count; at++)
        attempts[at].result = ended(attempts[at].result, attempts[at].message, attempts[at].outputs);
    finish();
}
