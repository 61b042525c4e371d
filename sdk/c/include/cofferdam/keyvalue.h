/* Values that outlive the instance, in the bucket the plugin was granted: `capabilities = { keyvalue = "orders" }` lets it
 * open "orders". A plugin that calls one of these asks for that grant.
 *
 * A write stays when the handler fails afterwards, and the same message may come again. So write what a second attempt may
 * find there: set the same value again, or use `cofferdam_keyvalue_set_if_absent`.
 *
 * Every function can fail as permanent CAPABILITY_DENIED (the bucket is missing, or not granted) and as retryable
 * SERVICE_UNAVAILABLE (the store itself failed, or the value is not what the operation needs). */
#ifndef COFFERDAM_KEYVALUE_H
#define COFFERDAM_KEYVALUE_H

#include "result.h"

COFFERDAM_BEGIN

/* A collection of keys and values, shared by all plugins that were granted its name. It is closed when the call of the
 * handler has ended. */
typedef struct cofferdam_bucket {
    int32_t handle;
} cofferdam_bucket;

COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_open(const char *name, cofferdam_bucket *bucket);

/* The value of `key`, or none. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_get(cofferdam_bucket bucket, cofferdam_string key,
                                                           cofferdam_string *value);
/* Sets the value of `key`, whatever it was before. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_set(cofferdam_bucket bucket, cofferdam_string key,
                                                           cofferdam_string value);
/* Removes `key`; success where there is none. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_delete(cofferdam_bucket bucket, cofferdam_string key);

COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_exists(cofferdam_bucket bucket, cofferdam_string key, bool *exists);

/* One page of keys, in no particular order. `cursor` is no value for the first page; it becomes where the next page begins, no
 * value after the last. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_keys(cofferdam_bucket bucket, cofferdam_string *cursor,
                                                            const cofferdam_string **keys, size_t *count);

/* Adds to the number under `key` in one step; a missing key counts as zero. `sum` may be NULL. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_increment(cofferdam_bucket bucket, cofferdam_string key,
                                                                 int64_t delta, int64_t *sum);

/* Sets the value of `key` in one step, if it has none. `found` becomes the value that was there before, in which case nothing
 * was written, or no value. Of several callers at once exactly one finds no value. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_set_if_absent(cofferdam_bucket bucket, cofferdam_string key,
                                                                     cofferdam_string value, cofferdam_string *found);

/* A value as it was at one moment, to be replaced only if it is still the same. */
typedef struct cofferdam_note {
    cofferdam_string current; /* none where there was no value */
    int32_t *handle; /* the SDK's */
} cofferdam_note;

/* Takes note of the value of `key`. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_note(cofferdam_bucket bucket, cofferdam_string key,
                                                            cofferdam_note *note);

/* Sets the value if it is still the one that was noted; `swapped` says whether it was. If not, the note has the value that is there
 * now, and this can be called again. A note whose swap succeeded or failed is used up. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_keyvalue_swap(cofferdam_note *note, cofferdam_string value, bool *swapped);

COFFERDAM_END

#endif
