/* The host's wasi:keyvalue. */
#include "../host.h"
#include "../arena.h"
#include "convert.h"

#define STORE "wasi:keyvalue/store@0.2.0-draft2"
#define ATOMICS "wasi:keyvalue/atomics@0.2.0-draft2"

/* open: func(identifier: string) -> result<bucket, error> */
COFFERDAM_IMPORT(STORE, "open") void wit_store_open(const char *name, size_t length, wit_store_result *answer);
/* resource bucket; get: func(key: string) -> result<option<list<u8>>, error> */
COFFERDAM_IMPORT(STORE, "[method]bucket.get")
void wit_bucket_get(int32_t self, const char *key, size_t length, wit_store_result *answer);
/* set: func(key: string, value: list<u8>) -> result<_, error> */
COFFERDAM_IMPORT(STORE, "[method]bucket.set")
void wit_bucket_set(int32_t self, const char *key, size_t key_length, const char *value, size_t length,
                    wit_store_result *answer);
/* delete: func(key: string) -> result<_, error> */
COFFERDAM_IMPORT(STORE, "[method]bucket.delete")
void wit_bucket_delete(int32_t self, const char *key, size_t length, wit_store_result *answer);
/* exists: func(key: string) -> result<bool, error> */
COFFERDAM_IMPORT(STORE, "[method]bucket.exists")
void wit_bucket_exists(int32_t self, const char *key, size_t length, wit_store_result *answer);
/* list-keys: func(cursor: option<string>) -> result<key-response, error> */
COFFERDAM_IMPORT(STORE, "[method]bucket.list-keys")
void wit_bucket_list_keys(int32_t self, int32_t some, const char *cursor, size_t length, wit_store_result *answer);
COFFERDAM_IMPORT(STORE, "[resource-drop]bucket") void wit_bucket_drop(int32_t self);

/* increment: func(bucket: borrow<bucket>, key: string, delta: s64) -> result<s64, error> */
COFFERDAM_IMPORT(ATOMICS, "increment")
void wit_increment(int32_t bucket, const char *key, size_t length, int64_t delta, wit_sum *answer);
/* resource cas; new: static func(bucket: borrow<bucket>, key: string) -> result<cas, error> */
COFFERDAM_IMPORT(ATOMICS, "[static]cas.new")
void wit_cas_new(int32_t bucket, const char *key, size_t length, wit_store_result *answer);
/* current: func() -> result<option<list<u8>>, error> */
COFFERDAM_IMPORT(ATOMICS, "[method]cas.current") void wit_cas_current(int32_t self, wit_store_result *answer);
/* swap: func(cas: cas, value: list<u8>) -> result<_, cas-error> */
COFFERDAM_IMPORT(ATOMICS, "swap") void wit_swap(int32_t cas, const char *value, size_t length, wit_swapped *answer);
COFFERDAM_IMPORT(ATOMICS, "[resource-drop]cas") void wit_cas_drop(int32_t self);

static cofferdam_store_answer failed(wit_store_error error) {
    cofferdam_store_answer answer = {COFFERDAM_STORE_FAILED, cofferdam_text("")};
    if (error.kind == 0)
        answer.kind = COFFERDAM_STORE_MISSING;
    else if (error.kind == 1)
        answer.kind = COFFERDAM_STORE_DENIED;
    else
        answer.text = cofferdam_lift(error.text);
    return answer;
}

static cofferdam_store_answer lift(const wit_store_result *answer) {
    cofferdam_store_answer ok = {COFFERDAM_STORE_OK, cofferdam_none()};
    return answer->is_error ? failed(answer->of.error) : ok;
}

cofferdam_store_answer cofferdam_host_open(cofferdam_string name, int32_t *bucket) {
    wit_store_result answer;
    wit_store_open(name.data, name.length, &answer);
    if (!answer.is_error)
        *bucket = answer.of.handle;
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_get(int32_t bucket, cofferdam_string key, cofferdam_string *value) {
    wit_store_result answer;
    wit_bucket_get(bucket, key.data, key.length, &answer);
    if (!answer.is_error)
        *value = cofferdam_lift_option(answer.of.value);
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_set(int32_t bucket, cofferdam_string key, cofferdam_string value) {
    wit_store_result answer;
    wit_bucket_set(bucket, key.data, key.length, value.data, value.length, &answer);
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_delete(int32_t bucket, cofferdam_string key) {
    wit_store_result answer;
    wit_bucket_delete(bucket, key.data, key.length, &answer);
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_exists(int32_t bucket, cofferdam_string key, bool *exists) {
    wit_store_result answer;
    wit_bucket_exists(bucket, key.data, key.length, &answer);
    if (!answer.is_error)
        *exists = answer.of.boolean;
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_keys(int32_t bucket, cofferdam_string *cursor, const cofferdam_string **keys,
                                           size_t *count) {
    wit_store_result answer;
    wit_bucket_list_keys(bucket, !cofferdam_is_none(*cursor), cursor->data, cursor->length, &answer);
    if (answer.is_error)
        return lift(&answer);
    wit_list list = answer.of.keys.keys;
    const wit_list *crossed = (const wit_list *)(uintptr_t)list.data;
    cofferdam_string *lifted = cofferdam_allocate(list.length * sizeof(cofferdam_string));
    for (size_t at = 0; at < list.length; at++)
        lifted[at] = cofferdam_lift(crossed[at]);
    *keys = lifted;
    *count = list.length;
    *cursor = cofferdam_lift_option(answer.of.keys.cursor);
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_increment(int32_t bucket, cofferdam_string key, int64_t delta, int64_t *sum) {
    wit_sum answer;
    cofferdam_store_answer ok = {COFFERDAM_STORE_OK, cofferdam_none()};
    wit_increment(bucket, key.data, key.length, delta, &answer);
    if (answer.is_error)
        return failed(answer.of.error);
    *sum = answer.of.sum;
    return ok;
}

cofferdam_store_answer cofferdam_host_note(int32_t bucket, cofferdam_string key, int32_t *note) {
    wit_store_result answer;
    wit_cas_new(bucket, key.data, key.length, &answer);
    if (!answer.is_error)
        *note = answer.of.handle;
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_current(int32_t note, cofferdam_string *value) {
    wit_store_result answer;
    wit_cas_current(note, &answer);
    if (!answer.is_error)
        *value = cofferdam_lift_option(answer.of.value);
    return lift(&answer);
}

cofferdam_store_answer cofferdam_host_swap(int32_t note, cofferdam_string value, int32_t *newer) {
    wit_swapped answer;
    cofferdam_store_answer ok = {COFFERDAM_STORE_OK, cofferdam_none()};
    wit_swap(note, value.data, value.length, &answer);
    *newer = -1;
    if (answer.is_error && answer.error.kind == 0)
        return failed(answer.error.of.error);
    if (answer.is_error)
        *newer = answer.error.of.note;
    return ok;
}

void cofferdam_host_drop_bucket(int32_t bucket) {
    wit_bucket_drop(bucket);
}

void cofferdam_host_drop_note(int32_t note) {
    wit_cas_drop(note);
}
