#include "cofferdam/keyvalue.h"

#include "arena.h"
#include "host.h"

/* How often `set_if_absent` tries again when somebody else changes the key between its look and its write. Only a key that is
 * set and deleted over and over can use them up. */
#define SWAP_ATTEMPTS 16

static cofferdam_result result_of(cofferdam_store_answer answer) {
    switch (answer.kind) {
    case COFFERDAM_STORE_OK:
        return cofferdam_done();
    case COFFERDAM_STORE_MISSING:
        return cofferdam_permanent("CAPABILITY_DENIED", "there is no key-value bucket of that name");
    case COFFERDAM_STORE_DENIED:
        return cofferdam_permanent("CAPABILITY_DENIED", "the plugin has no grant for that key-value bucket");
    case COFFERDAM_STORE_FAILED:
        break;
    }
    return cofferdam_retryable("SERVICE_UNAVAILABLE", "the key-value store failed: %s", answer.text.data);
}

/* The host takes keys as text, and would end the attempt as the plugin's fault where they are none. */
static cofferdam_result must_be_text(cofferdam_string key) {
    if (cofferdam_is_none(key))
        return cofferdam_validation_error("a key of the key-value store is missing");
    if (!cofferdam_is_utf8(key))
        return cofferdam_validation_error("a key of the key-value store is not UTF-8");
    return cofferdam_done();
}

/* Handles are kept apart from the author's variables, which may be gone by then. */
static void drop_bucket(void *handle) {
    cofferdam_host_drop_bucket(*(int32_t *)handle);
}

cofferdam_result cofferdam_keyvalue_open(const char *name, cofferdam_bucket *bucket) {
    COFFERDAM_TRY(must_be_text(cofferdam_text(name)));
    COFFERDAM_TRY(result_of(cofferdam_host_open(cofferdam_text(name), &bucket->handle)));
    int32_t *handle = cofferdam_allocate(sizeof *handle);
    *handle = bucket->handle;
    cofferdam_arena_at_end(drop_bucket, handle);
    return cofferdam_done();
}

cofferdam_result cofferdam_keyvalue_get(cofferdam_bucket bucket, cofferdam_string key, cofferdam_string *value) {
    COFFERDAM_TRY(must_be_text(key));
    return result_of(cofferdam_host_get(bucket.handle, key, value));
}

cofferdam_result cofferdam_keyvalue_set(cofferdam_bucket bucket, cofferdam_string key, cofferdam_string value) {
    COFFERDAM_TRY(must_be_text(key));
    return result_of(cofferdam_host_set(bucket.handle, key, value));
}

cofferdam_result cofferdam_keyvalue_delete(cofferdam_bucket bucket, cofferdam_string key) {
    COFFERDAM_TRY(must_be_text(key));
    return result_of(cofferdam_host_delete(bucket.handle, key));
}

cofferdam_result cofferdam_keyvalue_exists(cofferdam_bucket bucket, cofferdam_string key, bool *exists) {
    COFFERDAM_TRY(must_be_text(key));
    return result_of(cofferdam_host_exists(bucket.handle, key, exists));
}

cofferdam_result cofferdam_keyvalue_keys(cofferdam_bucket bucket, cofferdam_string *cursor, const cofferdam_string **keys,
                                         size_t *count) {
    return result_of(cofferdam_host_keys(bucket.handle, cursor, keys, count));
}

cofferdam_result cofferdam_keyvalue_increment(cofferdam_bucket bucket, cofferdam_string key, int64_t delta,
                                              int64_t *sum) {
    int64_t unused;
    COFFERDAM_TRY(must_be_text(key));
    return result_of(cofferdam_host_increment(bucket.handle, key, delta, sum == NULL ? &unused : sum));
}

/* A note that is still there when the call ends is dropped then. What it points to is -1 where it was used up. */
static void drop_note(void *handle) {
    if (*(int32_t *)handle >= 0)
        cofferdam_host_drop_note(*(int32_t *)handle);
}

static cofferdam_result current_of(cofferdam_note *note) {
    return result_of(cofferdam_host_current(*note->handle, &note->current));
}

cofferdam_result cofferdam_keyvalue_note(cofferdam_bucket bucket, cofferdam_string key, cofferdam_note *note) {
    COFFERDAM_TRY(must_be_text(key));
    note->handle = cofferdam_allocate(sizeof *note->handle);
    COFFERDAM_TRY(result_of(cofferdam_host_note(bucket.handle, key, note->handle)));
    cofferdam_arena_at_end(drop_note, note->handle);
    return current_of(note);
}

cofferdam_result cofferdam_keyvalue_swap(cofferdam_note *note, cofferdam_string value, bool *swapped) {
    if (*note->handle < 0)
        cofferdam_abort("a note of the key-value store was swapped that is used up");
    int32_t newer = -1;
    cofferdam_store_answer answer = cofferdam_host_swap(*note->handle, value, &newer);
    *note->handle = newer;
    COFFERDAM_TRY(result_of(answer));
    *swapped = newer < 0;
    return *swapped ? cofferdam_done() : current_of(note);
}

cofferdam_result cofferdam_keyvalue_set_if_absent(cofferdam_bucket bucket, cofferdam_string key, cofferdam_string value,
                                                  cofferdam_string *found) {
    cofferdam_note note;
    COFFERDAM_TRY(cofferdam_keyvalue_note(bucket, key, &note));
    for (int attempt = 0; attempt < SWAP_ATTEMPTS; attempt++) {
        *found = note.current;
        if (!cofferdam_is_none(note.current))
            return cofferdam_done();
        bool swapped;
        COFFERDAM_TRY(cofferdam_keyvalue_swap(&note, value, &swapped));
        if (swapped)
            return cofferdam_done();
    }
    return cofferdam_retryable("SERVICE_UNAVAILABLE", "\"%.*s\" changed %d times while it was being set", (int)key.length,
                               key.data, SWAP_ATTEMPTS);
}
