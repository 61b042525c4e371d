#include "../src/stand_in/world.h"
#include "cofferdam_test.h"

static bool is_failure(cofferdam_result result, cofferdam_outcome outcome, const char *code) {
    return result.outcome == outcome && cofferdam_is(result.code, code);
}

static bool is_done(cofferdam_result result) {
    return result.outcome == COFFERDAM_DONE;
}

static void configuration_is_read(void) {
    cofferdam_string value;
    const cofferdam_pair *pairs;
    size_t count;
    cofferdam_test_set_config("currency", "EUR");
    cofferdam_test_set_config("empty", "");
    COFFERDAM_CHECK(is_done(cofferdam_config_get("currency", &value)) && cofferdam_is(value, "EUR"));
    COFFERDAM_CHECK(is_done(cofferdam_config_require("empty", &value)) && cofferdam_is(value, ""));
    COFFERDAM_CHECK(is_done(cofferdam_config_get("other", &value)) && cofferdam_is_none(value));
    COFFERDAM_CHECK(is_failure(cofferdam_config_require("other", &value), COFFERDAM_DEFERRED, "CONFIGURATION_MISSING"));
    COFFERDAM_CHECK(is_done(cofferdam_config_all(&pairs, &count)) && count == 2);
    cofferdam_test_set_config("currency", NULL);
    COFFERDAM_CHECK(is_done(cofferdam_config_get("currency", &value)) && cofferdam_is_none(value));
}

static void a_test_sees_the_lines_with_their_levels(void) {
    cofferdam_log(COFFERDAM_INFO, "%d of %d", 1, 2);
    cofferdam_log(COFFERDAM_WARN, "late \xFF");
    COFFERDAM_CHECK(cofferdam_test_log(0)->level == COFFERDAM_INFO);
    COFFERDAM_CHECK(cofferdam_is(cofferdam_test_log(0)->text, "1 of 2"));
    COFFERDAM_CHECK(cofferdam_is(cofferdam_test_log(1)->text, "late \xEF\xBF\xBD"));
    COFFERDAM_CHECK(cofferdam_test_log(2) == NULL);
}

static cofferdam_bucket granted(void) {
    cofferdam_bucket bucket = {-1};
    cofferdam_test_grant_keyvalue("orders");
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_open("orders", &bucket)));
    return bucket;
}

static void values_are_kept(void) {
    cofferdam_bucket bucket = granted();
    cofferdam_string a = cofferdam_text("a"), b = cofferdam_text("b"), value;
    bool exists = true;
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_set(bucket, a, cofferdam_bytes("\xFF\0", 2))));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_get(bucket, a, &value)));
    COFFERDAM_CHECK(cofferdam_equal(value, cofferdam_bytes("\xFF\0", 2)));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_get(bucket, b, &value)) && cofferdam_is_none(value));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_delete(bucket, a)));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_delete(bucket, a)));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_exists(bucket, a, &exists)) && !exists);
}

static void numbers_are_counted(void) {
    cofferdam_bucket bucket = granted();
    cofferdam_string n = cofferdam_text("n");
    int64_t sum = 0;
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_increment(bucket, n, 2, &sum)) && sum == 2);
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_increment(bucket, n, -5, &sum)) && sum == -3);
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_increment(bucket, n, INT64_MIN + 3, NULL)));
    COFFERDAM_CHECK(is_failure(cofferdam_keyvalue_increment(bucket, n, -1, &sum), COFFERDAM_RETRYABLE, "SERVICE_UNAVAILABLE"));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_set(bucket, n, cofferdam_text("1x"))));
    COFFERDAM_CHECK(is_failure(cofferdam_keyvalue_increment(bucket, n, 1, &sum), COFFERDAM_RETRYABLE, "SERVICE_UNAVAILABLE"));
}

static void keys_come_in_pages(void) {
    cofferdam_bucket bucket = granted();
    const cofferdam_string *keys;
    size_t count, all = 0;
    cofferdam_string cursor = cofferdam_none();
    for (int at = 0; at < 3; at++)
        COFFERDAM_CHECK(is_done(cofferdam_keyvalue_set(bucket, cofferdam_format("k%d", at), cofferdam_text(""))));
    do {
        COFFERDAM_CHECK(is_done(cofferdam_keyvalue_keys(bucket, &cursor, &keys, &count)));
        all += count;
    } while (!cofferdam_is_none(cursor));
    COFFERDAM_CHECK(all == 3);
}

static cofferdam_bucket shared;

static void somebody_else_writes(void) {
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_set(shared, cofferdam_text("c"), cofferdam_text("theirs"))));
    cofferdam_test_before_swap(NULL);
}

static void only_one_sets_what_is_absent(void) {
    cofferdam_string c = cofferdam_text("c"), found = cofferdam_none(), value;
    shared = granted();
    cofferdam_test_before_swap(somebody_else_writes);
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_set_if_absent(shared, c, cofferdam_text("mine"), &found)));
    COFFERDAM_CHECK(cofferdam_is(found, "theirs"));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_get(shared, c, &value)) && cofferdam_is(value, "theirs"));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_delete(shared, c)));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_set_if_absent(shared, c, cofferdam_text("mine"), &found)));
    COFFERDAM_CHECK(cofferdam_is_none(found));
}

static void a_value_is_swapped_if_it_is_the_same(void) {
    cofferdam_string c = cofferdam_text("c"), value;
    cofferdam_note note;
    bool swapped = true;
    shared = granted();
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_note(shared, c, &note)) && cofferdam_is_none(note.current));
    cofferdam_test_before_swap(somebody_else_writes);
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_swap(&note, cofferdam_text("mine"), &swapped)) && !swapped);
    COFFERDAM_CHECK(cofferdam_is(note.current, "theirs"));
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_swap(&note, cofferdam_text("mine"), &swapped)) && swapped);
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_get(shared, c, &value)) && cofferdam_is(value, "mine"));
}

static cofferdam_result open_much(const cofferdam_message *message, cofferdam_outputs *outputs) {
    cofferdam_bucket bucket;
    cofferdam_note note;
    (void)message, (void)outputs;
    for (int at = 0; at < 10; at++) {
        COFFERDAM_TRY(cofferdam_keyvalue_open("orders", &bucket));
        COFFERDAM_TRY(cofferdam_keyvalue_note(bucket, cofferdam_text("k"), &note));
    }
    return cofferdam_done();
}

static void what_was_opened_is_closed_when_the_call_ends(void) {
    cofferdam_test_grant_keyvalue("orders");
    for (int round = 0; round < 20; round++)
        COFFERDAM_CHECK(is_done(cofferdam_test_handle_with(open_much, cofferdam_test_message(NULL)).result));
    COFFERDAM_CHECK(cofferdam_the_world.open_buckets == 0);
    for (size_t at = 0; at < COFFERDAM_WORLD_ROOM; at++)
        COFFERDAM_CHECK(!cofferdam_the_world.notes[at].open);
}

static void a_store_that_fails_is_retryable(void) {
    cofferdam_bucket bucket = granted();
    cofferdam_string key = cofferdam_text("k"), value;
    cofferdam_test_fail_keyvalue_after(1);
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_set(bucket, key, cofferdam_text("v"))));
    COFFERDAM_CHECK(is_failure(cofferdam_keyvalue_get(bucket, key, &value), COFFERDAM_RETRYABLE, "SERVICE_UNAVAILABLE"));
    cofferdam_test_fail_keyvalue_after(-1);
    COFFERDAM_CHECK(is_done(cofferdam_keyvalue_get(bucket, key, &value)) && cofferdam_is(value, "v"));
}

static void what_is_not_granted_or_no_key_is_permanent(void) {
    cofferdam_bucket bucket = granted();
    COFFERDAM_CHECK(is_failure(cofferdam_keyvalue_open("others", &bucket), COFFERDAM_PERMANENT, "CAPABILITY_DENIED"));
    COFFERDAM_CHECK(is_failure(cofferdam_keyvalue_delete(bucket, cofferdam_text("\xFF")), COFFERDAM_PERMANENT, "VALIDATION_ERROR"));
    COFFERDAM_CHECK(is_failure(cofferdam_keyvalue_delete(bucket, cofferdam_none()), COFFERDAM_PERMANENT, "VALIDATION_ERROR"));
}

static cofferdam_result echo(const cofferdam_http_request *request, cofferdam_http_response *response) {
    static cofferdam_pair headers[1];
    headers[0].name = cofferdam_text("X-Said");
    headers[0].value = cofferdam_text("yes");
    response->status = 201;
    response->headers = headers;
    response->header_count = 1;
    response->body = cofferdam_format("%s %s %s %lu %s", request->method.data, request->url.data,
                                      request->headers[0].value.data, (unsigned long)request->header_count,
                                      request->body.data);
    return cofferdam_done();
}

static cofferdam_result be_late(const cofferdam_http_request *request, cofferdam_http_response *response) {
    (void)request, (void)response;
    return cofferdam_retryable("TIMEOUT", "late");
}

static void requests_are_answered(void) {
    cofferdam_http_response response;
    cofferdam_test_set_http(echo);
    cofferdam_http_request *request = cofferdam_http_request_new("POST", "https://example.com/a?b#c");
    cofferdam_http_add_header(request, "accept", cofferdam_text("text/x"));
    cofferdam_http_set_body(request, cofferdam_text("body"));
    COFFERDAM_CHECK(is_done(cofferdam_http_send(request, &response)));
    COFFERDAM_CHECK(response.status == 201);
    /* With its length, and without changing what the handler made. */
    COFFERDAM_CHECK(cofferdam_is(response.body, "POST https://example.com/a?b#c text/x 2 body"));
    COFFERDAM_CHECK(request->header_count == 1);
    COFFERDAM_CHECK(cofferdam_is(cofferdam_http_header(&response, "x-said"), "yes"));
    COFFERDAM_CHECK(cofferdam_is_none(cofferdam_http_header(&response, "other")));
}

static void what_is_no_request_is_not_sent(void) {
    static const char *const wrong[] = {"", "nonsense", "://x", "http://", "http:///a", "http://a b", "http://a/\n", "http://\xFF"};
    cofferdam_http_response response;
    cofferdam_test_set_http(be_late);
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++)
        COFFERDAM_CHECK(is_failure(cofferdam_http_get(wrong[at], &response), COFFERDAM_PERMANENT, "VALIDATION_ERROR"));
    COFFERDAM_CHECK(is_failure(cofferdam_http_get("http://a?b", &response), COFFERDAM_RETRYABLE, "TIMEOUT"));
    cofferdam_test_set_http(NULL);
    COFFERDAM_CHECK(is_failure(cofferdam_http_get("http://a", &response), COFFERDAM_PERMANENT, "CAPABILITY_DENIED"));
}

int main(void) {
    COFFERDAM_TEST(configuration_is_read);
    COFFERDAM_TEST(a_test_sees_the_lines_with_their_levels);
    COFFERDAM_TEST(values_are_kept);
    COFFERDAM_TEST(numbers_are_counted);
    COFFERDAM_TEST(keys_come_in_pages);
    COFFERDAM_TEST(only_one_sets_what_is_absent);
    COFFERDAM_TEST(a_value_is_swapped_if_it_is_the_same);
    COFFERDAM_TEST(what_was_opened_is_closed_when_the_call_ends);
    COFFERDAM_TEST(a_store_that_fails_is_retryable);
    COFFERDAM_TEST(what_is_not_granted_or_no_key_is_permanent);
    COFFERDAM_TEST(requests_are_answered);
    COFFERDAM_TEST(what_is_no_request_is_not_sent);
    return cofferdam_test_end();
}
