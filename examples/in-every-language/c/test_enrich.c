#include "cofferdam_test.h"

#define ORDER(country, items) \
    "{\"order\": \"o-1\", \"customer\": \"Ada <&> Söhne\", \"country\": \"" country "\", \"items\": [" items "]}"

static cofferdam_test_call handled(const char *payload) {
    cofferdam_test_set_config("vat.DE", "19");
    cofferdam_test_set_config("free_shipping_cents", "500");
    return cofferdam_test_handle(cofferdam_test_message(payload));
}

static void an_order_gets_its_vat_and_shipping(void) {
    cofferdam_test_call call = handled(ORDER("DE", "{\"sku\": \"a\", \"quantity\": 2, \"cents\": 250}"));
    COFFERDAM_CHECK(call.result.outcome == COFFERDAM_DONE);
    COFFERDAM_CHECK(call.outputs->count == 1);
    if (call.outputs->count != 1)
        return;
    const cofferdam_output *output = call.outputs->items[0];
    COFFERDAM_CHECK(cofferdam_is(output->to, "enriched"));
    COFFERDAM_CHECK(cofferdam_is(output->key, "o-1"));
    COFFERDAM_CHECK(output->header_count == 1 && cofferdam_is(output->headers[0].name, "schema"));
    COFFERDAM_CHECK(output->header_count == 1 && cofferdam_is(output->headers[0].value, "order/2"));
    COFFERDAM_CHECK(cofferdam_is(
        output->payload, "{\"order\":\"o-1\",\"customer\":\"Ada <&> Söhne\",\"country\":\"DE\","
                         "\"items\":[{\"sku\":\"a\",\"quantity\":2,\"cents\":250,\"total_cents\":500}],"
                         "\"total_cents\":500,\"vat_cents\":95,\"shipping\":\"free\"}"));
    const cofferdam_test_line *line = cofferdam_test_log(0);
    COFFERDAM_CHECK(line != NULL && line->level == COFFERDAM_INFO);
    COFFERDAM_CHECK(line != NULL && cofferdam_is(line->text, "order o-1: 595 cents with vat"));
}

static void what_is_no_order_is_refused(void) {
    static const struct {
        const char *payload, *code;
    } wrong[] = {
        {"no JSON", "VALIDATION_ERROR"},
        {"{}", "VALIDATION_ERROR"},
        {ORDER("DE", ""), "VALIDATION_ERROR"},
        {ORDER("DE", "{\"sku\": \"a\", \"quantity\": 0, \"cents\": 1}"), "VALIDATION_ERROR"},
        {ORDER("DE", "{\"sku\": \"a\", \"quantity\": 1, \"cents\": -1}"), "VALIDATION_ERROR"},
        {ORDER("XX", "{\"sku\": \"a\", \"quantity\": 1, \"cents\": 1}"), "UNKNOWN_COUNTRY"},
        {ORDER("DE\\u0000", "{\"sku\": \"a\", \"quantity\": 1, \"cents\": 1}"), "UNKNOWN_COUNTRY"},
    };
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        cofferdam_test_call call = handled(wrong[at].payload);
        COFFERDAM_CHECK(call.result.outcome == COFFERDAM_PERMANENT);
        COFFERDAM_CHECK(cofferdam_is(call.result.code, wrong[at].code));
    }
}

int main(void) {
    COFFERDAM_TEST(an_order_gets_its_vat_and_shipping);
    COFFERDAM_TEST(what_is_no_order_is_refused);
    return cofferdam_test_end();
}
