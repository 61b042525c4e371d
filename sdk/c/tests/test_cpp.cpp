// The headers as they are, in a handler and a test in C++.
#include <string_view>

#include "cofferdam_test.h"

namespace {

std::string_view view(cofferdam_string string) {
    return {string.data, string.length};
}

cofferdam_result handle(const cofferdam_message *message, cofferdam_outputs *outputs) {
    const cofferdam_json *order;
    COFFERDAM_TRY(cofferdam_message_json(message, &order));
    cofferdam_string id;
    if (!cofferdam_json_string(cofferdam_json_member(order, "id"), &id))
        return cofferdam_validation_error("an order has an id");
    auto *output = cofferdam_output_new(outputs, "out");
    cofferdam_output_set_key(output, id);
    cofferdam_output_set_payload(output, cofferdam_format("%zu", view(id).size()));
    return cofferdam_done();
}

void a_handler_in_cpp_is_called() {
    cofferdam_test_call call = cofferdam_test_handle(cofferdam_test_message("{\"id\": \"o-1\"}"));
    COFFERDAM_CHECK(call.result.outcome == COFFERDAM_DONE);
    COFFERDAM_CHECK(view(call.outputs->items[0]->key) == "o-1");
    COFFERDAM_CHECK(view(call.outputs->items[0]->payload) == "3");
}

void its_failures_are_failures() {
    cofferdam_test_call call = cofferdam_test_handle(cofferdam_test_message("[]"));
    COFFERDAM_CHECK(call.result.outcome == COFFERDAM_PERMANENT);
    COFFERDAM_CHECK(view(call.result.code) == "VALIDATION_ERROR");
}

} // namespace

COFFERDAM_HANDLER(handle);

int main() {
    COFFERDAM_TEST(a_handler_in_cpp_is_called);
    COFFERDAM_TEST(its_failures_are_failures);
    return cofferdam_test_end();
}
