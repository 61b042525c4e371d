/* What the host calls. */
#include "../arena.h"
#include "convert.h"

void *cofferdam_call(cofferdam_handler *handler, void *message) {
    const cofferdam_message *lifted = cofferdam_lift_messages(message, 1);
    cofferdam_outputs *outputs = cofferdam_outputs_new();
    cofferdam_result result = cofferdam_run(handler, lifted, outputs);
    wit_result *crossing = cofferdam_allocate(sizeof *crossing);
    *crossing = cofferdam_lower_result(result, outputs);
    return crossing;
}

void *cofferdam_call_batch(cofferdam_batch_handler *handler, void *messages, size_t count) {
    const cofferdam_message *lifted = cofferdam_lift_messages(messages, count);
    cofferdam_attempt *attempts = cofferdam_attempts_new(lifted, count);
    cofferdam_run_batch(handler, attempts, count);
    wit_result *results = cofferdam_allocate(count * sizeof *results);
    for (size_t at = 0; at < count; at++)
        results[at] = cofferdam_lower_result(attempts[at].result, attempts[at].outputs);
    wit_list *crossing = cofferdam_allocate(sizeof *crossing);
    crossing->data = (uint32_t)(uintptr_t)results;
    crossing->length = (uint32_t)count;
    return crossing;
}

void cofferdam_called(void) {
    cofferdam_arena_reset();
}
