#include <math.h>
#include <stdlib.h>

#include "cofferdam_test.h"

static cofferdam_string written(cofferdam_json_writer *writer) {
    cofferdam_string text = cofferdam_none();
    COFFERDAM_CHECK(!cofferdam_failed(cofferdam_json_written(writer, &text)));
    return text;
}

static void an_object_is_written_compactly(void) {
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_begin_object(writer, NULL);
    cofferdam_json_add_text(writer, "text", "a\"\\/\n\x01\xC3\xBC");
    cofferdam_json_add_string(writer, "none", cofferdam_none());
    cofferdam_json_begin_array(writer, "list");
    cofferdam_json_add_integer(writer, NULL, INT64_MIN);
    cofferdam_json_add_boolean(writer, NULL, true);
    cofferdam_json_add_null(writer, NULL);
    cofferdam_json_begin_object(writer, NULL);
    cofferdam_json_end(writer);
    cofferdam_json_end(writer);
    cofferdam_json_add_number(writer, "number", 0.1);
    cofferdam_json_end(writer);
    COFFERDAM_CHECK(cofferdam_is(written(writer), "{\"text\":\"a\\\"\\\\/\\n\\u0001\xC3\xBC\",\"none\":null,"
                                                  "\"list\":[-9223372036854775808,true,null,{}],\"number\":0.1}"));
}

static void a_zero_among_the_bytes_is_kept(void) {
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_add_string(writer, NULL, cofferdam_bytes("a\0b", 3));
    COFFERDAM_CHECK(cofferdam_is(written(writer), "\"a\\u0000b\""));
}

static bool is_written(double number, const char *text) {
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_add_number(writer, NULL, number);
    return cofferdam_is(written(writer), text);
}

static void numbers_have_as_few_digits_as_they_need(void) {
    COFFERDAM_CHECK(is_written(5, "5"));
    COFFERDAM_CHECK(is_written(-2.5, "-2.5"));
    COFFERDAM_CHECK(is_written(0.1 + 0.2, "0.30000000000000004"));
    COFFERDAM_CHECK(is_written(1e300, "1e+300"));
    COFFERDAM_CHECK(is_written(1234567.89, "1234567.89"));
    COFFERDAM_CHECK(is_written(9007199254740993.0, "9007199254740992"));
    COFFERDAM_CHECK(is_written(5e-324, "4.94065645841247e-324"));
}

static void what_was_read_is_written_as_it_stood(void) {
    static const char text[] = "{\"b\":[1.50,12345678901234567890,\"x\\ny\"],\"a\":{},\"\":null}";
    const cofferdam_json *value = NULL;
    COFFERDAM_CHECK(cofferdam_json_read(cofferdam_text(text), &value, NULL));
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_begin_array(writer, NULL);
    cofferdam_json_add_value(writer, NULL, value);
    cofferdam_json_add_value(writer, NULL, NULL);
    cofferdam_json_end(writer);
    COFFERDAM_CHECK(cofferdam_equal(written(writer), cofferdam_format("[%s,null]", text)));
}

static cofferdam_result failure_of(void (*write)(cofferdam_json_writer *)) {
    cofferdam_string text = cofferdam_none();
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    write(writer);
    cofferdam_result result = cofferdam_json_written(writer, &text);
    COFFERDAM_CHECK(cofferdam_is_none(text));
    return result;
}

static void write_latin(cofferdam_json_writer *writer) {
    cofferdam_json_add_text(writer, NULL, "\xFC");
}

static void write_nan(cofferdam_json_writer *writer) {
    cofferdam_json_add_number(writer, NULL, (double)NAN);
}

static void write_deep(cofferdam_json_writer *writer) {
    for (int depth = 0; depth < COFFERDAM_JSON_DEPTH + 5; depth++)
        cofferdam_json_begin_array(writer, NULL);
    cofferdam_json_add_null(writer, NULL);
    for (int depth = 0; depth < COFFERDAM_JSON_DEPTH + 5; depth++)
        cofferdam_json_end(writer);
}

static void what_json_cannot_have_is_told_at_the_end(void) {
    void (*const writes[])(cofferdam_json_writer *) = {write_latin, write_nan, write_deep};
    for (size_t at = 0; at < 3; at++) {
        cofferdam_result result = failure_of(writes[at]);
        COFFERDAM_CHECK(result.outcome == COFFERDAM_PERMANENT);
        COFFERDAM_CHECK(cofferdam_is(result.code, "SERIALIZATION_FAILED"));
    }
}

static void nesting_up_to_the_bound_is_written_and_read(void) {
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    const cofferdam_json *value;
    for (int depth = 0; depth < COFFERDAM_JSON_DEPTH; depth++)
        cofferdam_json_begin_array(writer, NULL);
    for (int depth = 0; depth < COFFERDAM_JSON_DEPTH; depth++)
        cofferdam_json_end(writer);
    COFFERDAM_CHECK(cofferdam_json_read(written(writer), &value, NULL));
    writer = cofferdam_json_writer_new();
    cofferdam_json_add_value(writer, NULL, value);
    COFFERDAM_CHECK(written(writer).length == 2 * COFFERDAM_JSON_DEPTH);
}

static void long_texts_are_written_whole(void) {
    size_t length = 3000000;
    char *text = malloc(length);
    memset(text, 'x', length);
    cofferdam_json_writer *writer = cofferdam_json_writer_new();
    cofferdam_json_begin_array(writer, NULL);
    cofferdam_json_add_string(writer, NULL, cofferdam_bytes(text, length));
    cofferdam_json_end(writer);
    cofferdam_string all = written(writer);
    COFFERDAM_CHECK(all.length == length + 4);
    COFFERDAM_CHECK(memcmp(all.data + 2, text, length) == 0);
    free(text);
}

int main(void) {
    COFFERDAM_TEST(an_object_is_written_compactly);
    COFFERDAM_TEST(a_zero_among_the_bytes_is_kept);
    COFFERDAM_TEST(numbers_have_as_few_digits_as_they_need);
    COFFERDAM_TEST(what_was_read_is_written_as_it_stood);
    COFFERDAM_TEST(what_json_cannot_have_is_told_at_the_end);
    COFFERDAM_TEST(nesting_up_to_the_bound_is_written_and_read);
    COFFERDAM_TEST(long_texts_are_written_whole);
    return cofferdam_test_end();
}
