/* What the SDK asks the host: `wasm/` asks the real one, `stand_in/` is one in memory for tests. */
#ifndef COFFERDAM_HOST_H
#define COFFERDAM_HOST_H

#include "cofferdam/http.h"
#include "cofferdam/keyvalue.h"
#include "cofferdam/log.h"

/* False: it could not be read, and `error` says why. */
bool cofferdam_host_config_get(cofferdam_string name, cofferdam_string *value, cofferdam_string *error);
bool cofferdam_host_config_all(const cofferdam_pair **pairs, size_t *count, cofferdam_string *error);

void cofferdam_host_log(cofferdam_level level, cofferdam_string line);

typedef enum cofferdam_store_kind {
    COFFERDAM_STORE_OK,
    COFFERDAM_STORE_MISSING,
    COFFERDAM_STORE_DENIED,
    COFFERDAM_STORE_FAILED
} cofferdam_store_kind;

typedef struct cofferdam_store_answer {
    cofferdam_store_kind kind;
    cofferdam_string text; /* how it failed */
} cofferdam_store_answer;

/* Buckets and notes are handles; those that are open have to be dropped. A swap takes the note; where it was not done, there
 * is a new one, and else -1. */
cofferdam_store_answer cofferdam_host_open(cofferdam_string name, int32_t *bucket);
cofferdam_store_answer cofferdam_host_get(int32_t bucket, cofferdam_string key, cofferdam_string *value);
cofferdam_store_answer cofferdam_host_set(int32_t bucket, cofferdam_string key, cofferdam_string value);
cofferdam_store_answer cofferdam_host_delete(int32_t bucket, cofferdam_string key);
cofferdam_store_answer cofferdam_host_exists(int32_t bucket, cofferdam_string key, bool *exists);
cofferdam_store_answer cofferdam_host_keys(int32_t bucket, cofferdam_string *cursor, const cofferdam_string **keys,
                                           size_t *count);
cofferdam_store_answer cofferdam_host_increment(int32_t bucket, cofferdam_string key, int64_t delta, int64_t *sum);
cofferdam_store_answer cofferdam_host_note(int32_t bucket, cofferdam_string key, int32_t *note);
cofferdam_store_answer cofferdam_host_current(int32_t note, cofferdam_string *value);
cofferdam_store_answer cofferdam_host_swap(int32_t note, cofferdam_string value, int32_t *newer);
void cofferdam_host_drop_bucket(int32_t bucket);
void cofferdam_host_drop_note(int32_t note);

typedef enum cofferdam_http_kind {
    COFFERDAM_HTTP_ANSWERED,
    COFFERDAM_HTTP_DENIED,
    COFFERDAM_HTTP_INVALID,
    COFFERDAM_HTTP_TIMEOUT,
    COFFERDAM_HTTP_UNAVAILABLE
} cofferdam_http_kind;

typedef struct cofferdam_http_outcome {
    cofferdam_http_kind kind;
    const char *why;
} cofferdam_http_outcome;

/* A url, taken apart; `authority` is host and port. */
typedef struct cofferdam_url {
    cofferdam_string scheme;
    cofferdam_string authority;
    cofferdam_string path; /* with the query, without the fragment */
} cofferdam_url;

/* All text of the request is UTF-8, and `url` is its url. */
cofferdam_http_outcome cofferdam_host_http(const cofferdam_http_request *request, const cofferdam_url *url,
                                           cofferdam_http_response *response);

#endif
