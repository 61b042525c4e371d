#include <stdlib.h>

#include "../src/arena.h"
#include "cofferdam_test.h"

static const cofferdam_json *value_of(const char *text) {
    const cofferdam_json *value;
    cofferdam_json_error error = {"", 0};
    if (!cofferdam_json_read(cofferdam_text(text), &value, &error))
        fprintf(stderr, "%s: %s at byte %lu\n", text, error.what, (unsigned long)error.position);
    return value;
}

static bool reads(const char *bytes, size_t length) {
    /* A copy of just that size, so that the sanitizer sees a look beyond its end. */
    char *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, bytes, length);
    const cofferdam_json *value;
    bool read = cofferdam_json_read(cofferdam_bytes(copy, length), &value, NULL);
    free(copy);
    return read;
}

static void texts_that_are_json_are_read(void) {
    static const char *const texts[] = {
        "null", "true", "false", "0", "-0", "10", "-1.5", "1e5", "1E+5", "1e-05", "0.0", "1.25e2", "\"\"", "\"a\"", "[]", "{}",
        " [ ] ", "\t\n\r [1 , 2]\n", "{ \"a\" : 1 , \"a\" : 2 }", "[[[]]]", "{\"\":{}}", "\"\\u0000\"", "\"\\ud83d\\ude00\"",
        "\"\xC3\xBC\"", "\"\xEF\xBF\xBF\"", "\"\xF4\x8F\xBF\xBF\"", "\"\\/\\\\\\b\\f\\n\\r\\t\\\"\"", "\"\x7F\"", "1e999",
        "123456789012345678901234567890",
    };
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        if (!reads(texts[at], strlen(texts[at])))
            cofferdam_test_check(false, texts[at], __FILE__, __LINE__);
}

static void texts_that_are_not_are_refused(void) {
    static const char *const texts[] = {
        "", " ", "nul", "nulll", "True", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x1", "1 2", "[", "]",
        "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}",
        "{\"a\" 1}", "{\"a\",1}", "{,}", "[}", "{]", "\"", "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u123g\"", "\"\\u",
        "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "\"\x01\"", "\"\t\"",
        "'a'", "// a\n1", "1 // a", "/* */ 1", "\xEF\xBB\xBF" "1", "\"\xFF\"", "\"\xC3\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"",
        "\"\xE0\x80\x80\"", "\"\xF0\x80\x80\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xF5\x80\x80\x80\"", "\"\xE2\x82", "\"\x80\"",
        "[\xC2\xA0]", "\f1",
    };
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        if (reads(texts[at], strlen(texts[at])))
            cofferdam_test_check(false, texts[at], __FILE__, __LINE__);
    COFFERDAM_CHECK(!reads("1\0", 2));
    COFFERDAM_CHECK(!reads("\"a\0b\"", 5));
    const cofferdam_json *value;
    COFFERDAM_CHECK(!cofferdam_json_read(cofferdam_none(), &value, NULL));
    COFFERDAM_CHECK(value == NULL);
}

static bool reads_nested(size_t depth, char start, char end) {
    char text[400];
    memset(text, start, depth);
    memset(text + depth, end, depth);
    return reads(text, 2 * depth);
}

static void nesting_has_a_bound(void) {
    COFFERDAM_CHECK(reads_nested(COFFERDAM_JSON_DEPTH, '[', ']'));
    COFFERDAM_CHECK(!reads_nested(COFFERDAM_JSON_DEPTH + 1, '[', ']'));
    size_t length = 1000000;
    char *endless = malloc(length);
    memset(endless, '[', length);
    COFFERDAM_CHECK(!reads(endless, length));
    free(endless);
    /* Beside each other they may be as many as they like. */
    char flat[3 * 1000 + 1];
    for (size_t at = 0; at < 1000; at++)
        memcpy(flat + 3 * at, at == 0 ? "[[]" : ",{}", 3);
    flat[3 * 1000] = ']';
    COFFERDAM_CHECK(reads(flat, sizeof flat));
}

static void an_error_says_where(void) {
    const cofferdam_json *value;
    cofferdam_json_error error;
    COFFERDAM_CHECK(!cofferdam_json_read(cofferdam_text("{\"a\": tru}"), &value, &error));
    COFFERDAM_CHECK(error.position == 6);
    COFFERDAM_CHECK(strcmp(error.what, "a value is expected") == 0);
    COFFERDAM_CHECK(!cofferdam_json_read(cofferdam_text("[1] x"), &value, &error));
    COFFERDAM_CHECK(error.position == 4);
    COFFERDAM_CHECK(strcmp(error.what, "only one value is expected") == 0);
}

static void a_path_can_be_followed(void) {
    const cofferdam_json *value = value_of("{\"a\": [1, {\"b\": \"c\"}], \"d\": null, \"d\": true}");
    const cofferdam_json *inner = cofferdam_json_at(cofferdam_json_member(value, "a"), 1);
    cofferdam_string string;
    bool boolean = false;
    COFFERDAM_CHECK(cofferdam_json_string(cofferdam_json_member(inner, "b"), &string));
    COFFERDAM_CHECK(cofferdam_is(string, "c"));
    COFFERDAM_CHECK(cofferdam_json_count(value) == 3);
    COFFERDAM_CHECK(cofferdam_is(cofferdam_json_name_at(value, 1), "d"));
    COFFERDAM_CHECK(cofferdam_json_kind_of(cofferdam_json_at(value, 1)) == COFFERDAM_JSON_NULL);
    COFFERDAM_CHECK(cofferdam_is_none(cofferdam_json_name_at(value, 3)));
    /* The last one counts. */
    COFFERDAM_CHECK(cofferdam_json_boolean(cofferdam_json_member(value, "d"), &boolean));
    COFFERDAM_CHECK(boolean);
}

static void what_is_missing_stays_missing(void) {
    const cofferdam_json *value = value_of("[1, \"x\"]");
    cofferdam_string string = cofferdam_text("before");
    double number = 7;
    COFFERDAM_CHECK(cofferdam_json_member(value, "a") == NULL);
    COFFERDAM_CHECK(cofferdam_json_at(value, 2) == NULL);
    COFFERDAM_CHECK(cofferdam_json_at(cofferdam_json_at(value, 0), 0) == NULL);
    COFFERDAM_CHECK(cofferdam_json_member(NULL, "a") == NULL);
    COFFERDAM_CHECK(cofferdam_json_count(NULL) == 0);
    COFFERDAM_CHECK(cofferdam_json_kind_of(NULL) == COFFERDAM_JSON_MISSING);
    COFFERDAM_CHECK(!cofferdam_json_string(cofferdam_json_at(value, 0), &string));
    COFFERDAM_CHECK(cofferdam_is(string, "before"));
    COFFERDAM_CHECK(!cofferdam_json_number(cofferdam_json_at(value, 1), &number));
    COFFERDAM_CHECK(number == 7.0);
}

static void escapes_are_undone(void) {
    cofferdam_string string = cofferdam_none();
    COFFERDAM_CHECK(cofferdam_json_string(value_of("\"a\\u00e9\\u20AC\\ud83d\\ude00\\n\\u0000z\""), &string));
    COFFERDAM_CHECK(cofferdam_equal(string, cofferdam_bytes("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\n\0z", 13)));
    COFFERDAM_CHECK(string.data[string.length] == '\0');
}

static void numbers_are_exact(void) {
    int64_t integer = 0;
    double number = 0;
    COFFERDAM_CHECK(cofferdam_json_integer(value_of("9223372036854775807"), &integer));
    COFFERDAM_CHECK(integer == INT64_MAX);
    COFFERDAM_CHECK(cofferdam_json_integer(value_of("-9223372036854775808"), &integer));
    COFFERDAM_CHECK(integer == INT64_MIN);
    COFFERDAM_CHECK(!cofferdam_json_integer(value_of("9223372036854775808"), &integer));
    COFFERDAM_CHECK(!cofferdam_json_integer(value_of("1.0"), &integer));
    COFFERDAM_CHECK(!cofferdam_json_integer(value_of("1e2"), &integer));
    COFFERDAM_CHECK(!cofferdam_json_integer(value_of("true"), &integer));
    COFFERDAM_CHECK(cofferdam_json_number(value_of("0.1"), &number));
    COFFERDAM_CHECK(number == 0.1);
    COFFERDAM_CHECK(cofferdam_json_number(value_of("-12e-1"), &number));
    COFFERDAM_CHECK(number == -1.2);
    COFFERDAM_CHECK(!cofferdam_json_number(value_of("1e999"), &number));
}

static void what_was_read_needs_the_text_no_more(void) {
    char *text = malloc(32);
    const cofferdam_json *value;
    cofferdam_string string = cofferdam_none();
    double number = 0;
    memcpy(text, "[\"abc\",12.5]", 12);
    COFFERDAM_CHECK(cofferdam_json_read(cofferdam_bytes(text, 12), &value, NULL));
    free(text);
    COFFERDAM_CHECK(cofferdam_json_string(cofferdam_json_at(value, 0), &string));
    COFFERDAM_CHECK(cofferdam_is(string, "abc"));
    COFFERDAM_CHECK(cofferdam_json_number(cofferdam_json_at(value, 1), &number));
    COFFERDAM_CHECK(number == 12.5);
}

static void many_values_are_read(void) {
    size_t count = 100000;
    char *text = malloc(2 * count + 1);
    for (size_t at = 0; at < count; at++)
        memcpy(text + 2 * at, at == 0 ? "[1" : ",1", 2);
    text[2 * count] = ']';
    const cofferdam_json *value;
    COFFERDAM_CHECK(cofferdam_json_read(cofferdam_bytes(text, 2 * count + 1), &value, NULL));
    COFFERDAM_CHECK(cofferdam_json_count(value) == count);
    free(text);
}

/* The same bytes at every run. */
static uint32_t next(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void whatever_comes_is_read_or_refused(void) {
    static const char *const seeds[] = {
        "{\"a\":[1,-2.5e3,true,false,null],\"b\":{\"c\":\"\\u00e9\\ud83d\\ude00\\n\"}}", "[[[[{}]]],\"\xE2\x82\xAC\",0]",
        "\"\\\\\\\"\\u0000\"",
    };
    static const char pieces[] = "{}[]\",:\\u0019eE+-.tfn d8\x80\xC3\xE2\xED\xF0\xFF\n";
    uint32_t state = 1;
    unsigned read_ones = 0;
    for (int round = 0; round < 60000; round++) {
        char text[128];
        const char *seed = seeds[next(&state) % 3];
        size_t length = strlen(seed);
        memcpy(text, seed, length);
        for (uint32_t changes = 1 + next(&state) % 3; changes > 0; changes--)
            text[next(&state) % length] = pieces[next(&state) % (sizeof pieces - 1)];
        length -= next(&state) % 4 == 0 ? next(&state) % length : 0;
        const cofferdam_json *value;
        if (!reads(text, length) || !cofferdam_json_read(cofferdam_bytes(text, length), &value, NULL))
            continue;
        read_ones++;
        /* What is written of it reads again, and is written the same. */
        cofferdam_string first = cofferdam_none(), second = cofferdam_none();
        cofferdam_json_writer *writer = cofferdam_json_writer_new();
        cofferdam_json_add_value(writer, NULL, value);
        COFFERDAM_CHECK(!cofferdam_failed(cofferdam_json_written(writer, &first)));
        COFFERDAM_CHECK(cofferdam_json_read(first, &value, NULL));
        writer = cofferdam_json_writer_new();
        cofferdam_json_add_value(writer, NULL, value);
        COFFERDAM_CHECK(!cofferdam_failed(cofferdam_json_written(writer, &second)));
        COFFERDAM_CHECK(cofferdam_equal(first, second));
        cofferdam_arena_reset();
    }
    COFFERDAM_CHECK(read_ones > 1000);
}

int main(void) {
    COFFERDAM_TEST(texts_that_are_json_are_read);
    COFFERDAM_TEST(texts_that_are_not_are_refused);
    COFFERDAM_TEST(nesting_has_a_bound);
    COFFERDAM_TEST(an_error_says_where);
    COFFERDAM_TEST(a_path_can_be_followed);
    COFFERDAM_TEST(what_is_missing_stays_missing);
    COFFERDAM_TEST(escapes_are_undone);
    COFFERDAM_TEST(numbers_are_exact);
    COFFERDAM_TEST(what_was_read_needs_the_text_no_more);
    COFFERDAM_TEST(many_values_are_read);
    COFFERDAM_TEST(whatever_comes_is_read_or_refused);
    return cofferdam_test_end();
}
