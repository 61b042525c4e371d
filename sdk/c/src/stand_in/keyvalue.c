#include <errno.h>
#include <stdlib.h>

#include "world.h"

#define WORLD (&cofferdam_the_world)

static const cofferdam_store_answer ok = {COFFERDAM_STORE_OK, {NULL, 0}};

static cofferdam_store_answer failed(const char *text) {
    cofferdam_store_answer answer = {COFFERDAM_STORE_FAILED, cofferdam_text(text)};
    return answer;
}

void cofferdam_test_grant_keyvalue(const char *bucket) {
    if (WORLD->bucket_count == COFFERDAM_WORLD_ROOM)
        cofferdam_abort("a test can have %d buckets", COFFERDAM_WORLD_ROOM);
    WORLD->buckets[WORLD->bucket_count++].name = cofferdam_keep(cofferdam_text(bucket)).data;
}

void cofferdam_test_fail_keyvalue_after(int operations) {
    WORLD->operations_left = operations;
}

void cofferdam_test_before_swap(void (*function)(void)) {
    WORLD->before_swap = function;
}

/* Whether the operation may happen. */
static bool operation(void) {
    if (WORLD->operations_left == 0)
        return false;
    if (WORLD->operations_left > 0)
        WORLD->operations_left--;
    return true;
}

#define OPERATION                                \
    do {                                         \
        if (!operation())                        \
            return failed("made to fail by the test"); \
    } while (0)

static cofferdam_pair *find(int32_t bucket, cofferdam_string key) {
    cofferdam_world_bucket *in = &WORLD->buckets[bucket];
    for (size_t at = 0; at < in->count; at++)
        if (cofferdam_equal(in->values[at].name, key))
            return &in->values[at];
    return NULL;
}

static cofferdam_string value_of(int32_t bucket, cofferdam_string key) {
    const cofferdam_pair *known = find(bucket, key);
    return known == NULL ? cofferdam_none() : known->value;
}

static void put(int32_t bucket, cofferdam_string key, cofferdam_string value) {
    cofferdam_pair *known = find(bucket, key);
    cofferdam_string bytes = cofferdam_is_none(value) ? cofferdam_text("") : value;
    if (known == NULL)
        cofferdam_pairs_add(&WORLD->buckets[bucket].values, &WORLD->buckets[bucket].count, key, bytes);
    else
        known->value = cofferdam_keep(bytes);
}

cofferdam_store_answer cofferdam_host_open(cofferdam_string name, int32_t *bucket) {
    cofferdam_store_answer denied = {COFFERDAM_STORE_DENIED, cofferdam_none()};
    for (*bucket = 0; *bucket < WORLD->bucket_count; ++*bucket) {
        if (cofferdam_is(name, WORLD->buckets[*bucket].name)) {
            WORLD->open_buckets++;
            return ok;
        }
    }
    return denied;
}

cofferdam_store_answer cofferdam_host_get(int32_t bucket, cofferdam_string key, cofferdam_string *value) {
    OPERATION;
    *value = value_of(bucket, key);
    return ok;
}

cofferdam_store_answer cofferdam_host_set(int32_t bucket, cofferdam_string key, cofferdam_string value) {
    OPERATION;
    put(bucket, key, value);
    return ok;
}

cofferdam_store_answer cofferdam_host_delete(int32_t bucket, cofferdam_string key) {
    OPERATION;
    cofferdam_pair *known = find(bucket, key);
    if (known != NULL)
        *known = WORLD->buckets[bucket].values[--WORLD->buckets[bucket].count];
    return ok;
}

cofferdam_store_answer cofferdam_host_exists(int32_t bucket, cofferdam_string key, bool *exists) {
    OPERATION;
    *exists = find(bucket, key) != NULL;
    return ok;
}

/* One key a page, so that a test notices who takes the first page for all. */
cofferdam_store_answer cofferdam_host_keys(int32_t bucket, cofferdam_string *cursor, const cofferdam_string **keys,
                                           size_t *count) {
    OPERATION;
    const cofferdam_world_bucket *in = &WORLD->buckets[bucket];
    size_t at = cofferdam_is_none(*cursor) ? 0 : (size_t)strtoul(cursor->data, NULL, 10);
    *count = at < in->count ? 1 : 0;
    *keys = *count > 0 ? &in->values[at].name : NULL;
    *cursor = at + 1 < in->count ? cofferdam_format("%lu", (unsigned long)at + 1) : cofferdam_none();
    return ok;
}

cofferdam_store_answer cofferdam_host_increment(int32_t bucket, cofferdam_string key, int64_t delta, int64_t *sum) {
    OPERATION;
    cofferdam_string value = value_of(bucket, key);
    char *end = NULL;
    errno = 0;
    int64_t number = cofferdam_is_none(value) ? 0 : (int64_t)strtoll(value.data, &end, 10);
    if (end != NULL && (end == value.data || *end != '\0' || errno != 0))
        return failed("the value is no number");
    if (delta > 0 ? number > INT64_MAX - delta : number < INT64_MIN - delta)
        return failed("the sum does not fit");
    *sum = number + delta;
    put(bucket, key, cofferdam_format("%lld", (long long)*sum));
    return ok;
}

cofferdam_store_answer cofferdam_host_note(int32_t bucket, cofferdam_string key, int32_t *note) {
    OPERATION;
    for (*note = 0; WORLD->notes[*note].open;)
        if (++*note == COFFERDAM_WORLD_ROOM)
            cofferdam_abort("a test can have %d notes at once", COFFERDAM_WORLD_ROOM);
    cofferdam_world_note taken = {true, bucket, cofferdam_keep(key), value_of(bucket, key)};
    WORLD->notes[*note] = taken;
    return ok;
}

/* A handle that was used up is no handle, as in the host. */
static cofferdam_world_note *open_note(int32_t note) {
    if (note < 0 || !WORLD->notes[note].open)
        cofferdam_abort("a note of the key-value store was used that is not open");
    return &WORLD->notes[note];
}

cofferdam_store_answer cofferdam_host_current(int32_t note, cofferdam_string *value) {
    *value = open_note(note)->value;
    return ok;
}

cofferdam_store_answer cofferdam_host_swap(int32_t note, cofferdam_string value, int32_t *newer) {
    cofferdam_world_note *taken = open_note(note);
    if (WORLD->before_swap != NULL)
        WORLD->before_swap();
    cofferdam_store_answer answer = ok;
    if (!operation())
        answer = failed("made to fail by the test");
    else if (cofferdam_equal(value_of(taken->bucket, taken->key), taken->value))
        put(taken->bucket, taken->key, value);
    else
        answer = cofferdam_host_note(taken->bucket, taken->key, newer); /* another number, as long as this one is open */
    taken->open = false;
    return answer;
}

void cofferdam_host_drop_bucket(int32_t bucket) {
    (void)bucket;
    WORLD->open_buckets--;
}

void cofferdam_host_drop_note(int32_t note) {
    open_note(note)->open = false;
}
