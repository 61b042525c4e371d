#include "cofferdam_test.h"

static void handle_batch(cofferdam_attempt *attempts, size_t count) {
    for (size_t at = 0; at < count; at++) {
        cofferdam_string text;
        attempts[at].result = cofferdam_message_text(attempts[at].message, &text);
        if (!cofferdam_failed(attempts[at].result))
            cofferdam_output_set_payload(cofferdam_output_new(attempts[at].outputs, "out"),
                                         cofferdam_format("%s of %lu", text.data, (unsigned long)count));
    }
}

COFFERDAM_BATCH_HANDLER(handle_batch);

static void each_message_has_its_result(void) {
    cofferdam_message messages[] = {*cofferdam_test_message("a"), *cofferdam_test_message("\xFF"), *cofferdam_test_message("c")};
    cofferdam_attempt *attempts = cofferdam_test_handle_batch(messages, 3);
    COFFERDAM_CHECK(cofferdam_is(attempts[0].outputs->items[0]->payload, "a of 3"));
    COFFERDAM_CHECK(attempts[1].result.outcome == COFFERDAM_PERMANENT);
    COFFERDAM_CHECK(attempts[1].outputs->count == 0);
    COFFERDAM_CHECK(cofferdam_is(attempts[2].outputs->items[0]->payload, "c of 3"));
}

static void one_message_is_a_batch_of_one(void) {
    cofferdam_test_call call = cofferdam_test_handle(cofferdam_test_message("a"));
    COFFERDAM_CHECK(cofferdam_is(call.outputs->items[0]->payload, "a of 1"));
}

int main(void) {
    COFFERDAM_TEST(each_message_has_its_result);
    COFFERDAM_TEST(one_message_is_a_batch_of_one);
    return cofferdam_test_end();
}
