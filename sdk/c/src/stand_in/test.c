#include "../run.h"
#include "world.h"

static int passed, failed, failed_checks;

cofferdam_message *cofferdam_test_message(const char *payload) {
    cofferdam_message *message = cofferdam_allocate(sizeof *message);
    memset(message, 0, sizeof *message);
    message->id = cofferdam_text("test-1");
    message->source = cofferdam_text("test");
    message->position = cofferdam_text("0/0");
    message->payload = cofferdam_keep(cofferdam_text(payload));
    message->attempt = 1;
    return message;
}

void cofferdam_test_add_header(cofferdam_message *message, const char *name, cofferdam_string value) {
    cofferdam_pair *headers = (cofferdam_pair *)message->headers;
    cofferdam_pairs_add(&headers, &message->header_count, cofferdam_text(name), value);
    message->headers = headers;
}

void cofferdam_test_add_attribute(cofferdam_message *message, const char *name, const char *value) {
    cofferdam_pair *attributes = (cofferdam_pair *)message->attributes;
    cofferdam_pairs_add(&attributes, &message->attribute_count, cofferdam_text(name), cofferdam_text(value));
    message->attributes = attributes;
}

cofferdam_test_call cofferdam_test_handle_with(cofferdam_handler *handler, const cofferdam_message *message) {
    cofferdam_outputs *outputs = cofferdam_outputs_new();
    cofferdam_test_call call = {cofferdam_run(handler, message, outputs), outputs};
    return call;
}

cofferdam_attempt *cofferdam_test_handle_batch_with(cofferdam_batch_handler *handler, const cofferdam_message *messages,
                                                    size_t count) {
    cofferdam_attempt *attempts = cofferdam_attempts_new(messages, count);
    cofferdam_run_batch(handler, attempts, count);
    return attempts;
}

void cofferdam_test_check(bool holds, const char *condition, const char *file, int line) {
    if (holds)
        return;
    failed_checks++;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
}

void cofferdam_test_run(void (*function)(void), const char *name) {
    int before = failed_checks;
    cofferdam_world_clear();
    function();
    cofferdam_world_clear();
    if (failed_checks == before) {
        passed++;
        return;
    }
    failed++;
    fprintf(stderr, "failed: %s\n", name);
}

int cofferdam_test_end(void) {
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
