#include "cofferdam_test.h"

static void an_order_gets_its_total(void) {
    cofferdam_test_call call = cofferdam_test_handle(cofferdam_test_message(
        "{\"order\": \"o-1\", \"customer\": \"Ada\", \"items\": [{\"sku\": \"a\", \"quantity\": 2, \"price\": 2.5}]}"));
    COFFERDAM_CHECK(call.result.outcome == COFFERDAM_DONE);
    COFFERDAM_CHECK(call.outputs->count == 1);
    if (call.outputs->count != 1)
        return;
    const cofferdam_output *output = call.outputs->items[0];
    COFFERDAM_CHECK(cofferdam_is(output->to, "out"));
    COFFERDAM_CHECK(cofferdam_is(output->key, "o-1"));
    COFFERDAM_CHECK(cofferdam_is(output->payload, "{\"order\":\"o-1\",\"customer\":\"Ada\",\"total\":5}"));
}

static void what_is_no_order_is_refused(void) {
    static const char *const wrong[] = {
        "no JSON",
        "\"text\"",
        "{}",
        "{\"order\": \"o-1\", \"customer\": \"Ada\", \"items\": []}",
        "{\"order\": \"o-1\", \"customer\": \"Ada\", \"items\": [\"a\"]}",
        "{\"order\": \"o-1\", \"customer\": \"Ada\", \"items\": [{\"quantity\": 1}]}",
        "{\"order\": \"o-1\", \"customer\": \"Ada\", \"items\": [{\"quantity\": 0, \"price\": 1}]}",
        "{\"order\": \"o-1\", \"customer\": \"Ada\", \"items\": [{\"quantity\": true, \"price\": 1}]}",
    };
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        cofferdam_test_call call = cofferdam_test_handle(cofferdam_test_message(wrong[at]));
        COFFERDAM_CHECK(call.result.outcome == COFFERDAM_PERMANENT);
        COFFERDAM_CHECK(cofferdam_is(call.result.code, "VALIDATION_ERROR"));
    }
}

int main(void) {
    COFFERDAM_TEST(an_order_gets_its_total);
    COFFERDAM_TEST(what_is_no_order_is_refused);
    return cofferdam_test_end();
}
