/* How values lie in the memory of a plugin when they cross to and from the host: the layouts of the component model's canonical
 * ABI for the types in `wit/v1` and the interfaces it names, each with its WIT type beside it. Pointers are numbers here, so that
 * a compiler for any machine can check the places. */
#ifndef COFFERDAM_LAYOUT_H
#define COFFERDAM_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define COFFERDAM_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has another size")
#define COFFERDAM_PLACE(type, field, place) _Static_assert(offsetof(type, field) == (place), #type "." #field " lies elsewhere")

/* string, list<T> */
typedef struct wit_list {
    uint32_t data;
    uint32_t length;
} wit_list;
COFFERDAM_SIZE(wit_list, 8);

/* option<string>, option<list<u8>> */
typedef struct wit_option_list {
    uint8_t some;
    wit_list value;
} wit_option_list;
COFFERDAM_SIZE(wit_option_list, 12);
COFFERDAM_PLACE(wit_option_list, value, 4);

/* record header { name: string, value: list<u8> }, tuple<string, string>, tuple<string, list<u8>> */
typedef struct wit_pair {
    wit_list name;
    wit_list value;
} wit_pair;
COFFERDAM_SIZE(wit_pair, 16);

/* record message, cofferdam:plugin/types */
typedef struct wit_message {
    wit_list id;             /* string */
    wit_list source;         /* string */
    wit_list position;       /* string */
    wit_option_list key;     /* option<list<u8>> */
    wit_list headers;        /* list<header> */
    wit_list attributes;     /* list<tuple<string, string>> */
    wit_option_list payload; /* option<list<u8>> */
    uint64_t timestamp_ms;   /* u64 */
    uint32_t attempt;        /* u32 */
} wit_message;
COFFERDAM_SIZE(wit_message, 80);
COFFERDAM_PLACE(wit_message, key, 24);
COFFERDAM_PLACE(wit_message, headers, 36);
COFFERDAM_PLACE(wit_message, payload, 52);
COFFERDAM_PLACE(wit_message, timestamp_ms, 64);
COFFERDAM_PLACE(wit_message, attempt, 72);

/* record output, cofferdam:plugin/types */
typedef struct wit_output {
    wit_list to;             /* string */
    wit_option_list key;     /* option<list<u8>> */
    wit_list headers;        /* list<header> */
    wit_list attributes;     /* list<tuple<string, string>> */
    wit_option_list payload; /* option<list<u8>> */
} wit_output;
COFFERDAM_SIZE(wit_output, 48);
COFFERDAM_PLACE(wit_output, key, 8);
COFFERDAM_PLACE(wit_output, headers, 20);
COFFERDAM_PLACE(wit_output, payload, 36);

/* variant failure { retryable(fault), permanent(fault), deferred(fault) }, with record fault in it */
typedef struct wit_failure {
    uint8_t kind;
    _Alignas(8) wit_list code;      /* string */
    wit_list text;                  /* string */
    uint8_t has_retry_after;        /* option<u64> */
    uint64_t retry_after_ms;
} wit_failure;
COFFERDAM_SIZE(wit_failure, 40);
COFFERDAM_PLACE(wit_failure, code, 8);
COFFERDAM_PLACE(wit_failure, text, 16);
COFFERDAM_PLACE(wit_failure, has_retry_after, 24);
COFFERDAM_PLACE(wit_failure, retry_after_ms, 32);

/* result<list<output>, failure> */
typedef struct wit_result {
    uint8_t is_error;
    union {
        wit_list outputs;
        wit_failure failure;
    } of;
} wit_result;
COFFERDAM_SIZE(wit_result, 48);
COFFERDAM_PLACE(wit_result, of, 8);

/* result<option<string>, error> with variant error { upstream(string), io(string) }, wasi:config/store */
typedef struct wit_config_value {
    uint8_t is_error;
    union {
        wit_option_list value;
        struct {
            uint8_t kind;
            wit_list text;
        } error;
    } of;
} wit_config_value;
COFFERDAM_SIZE(wit_config_value, 16);
COFFERDAM_PLACE(wit_config_value, of.error.text, 8);

/* result<list<tuple<string, string>>, error>, wasi:config/store */
typedef struct wit_config_values {
    uint8_t is_error;
    union {
        wit_list values;
        struct {
            uint8_t kind;
            wit_list text;
        } error;
    } of;
} wit_config_values;
COFFERDAM_SIZE(wit_config_values, 16);
COFFERDAM_PLACE(wit_config_values, of.values, 4);

/* variant error { no-such-store, access-denied, other(string) }, wasi:keyvalue/store */
typedef struct wit_store_error {
    uint8_t kind;
    wit_list text;
} wit_store_error;
COFFERDAM_SIZE(wit_store_error, 12);

/* record key-response { keys: list<string>, cursor: option<string> }, wasi:keyvalue/store */
typedef struct wit_keys {
    wit_list keys;
    wit_option_list cursor;
} wit_keys;
COFFERDAM_SIZE(wit_keys, 20);

/* result<T, error> of wasi:keyvalue, for each T but s64 */
typedef struct wit_store_result {
    uint8_t is_error;
    union {
        int32_t handle;        /* bucket, cas */
        uint8_t boolean;       /* bool */
        wit_option_list value; /* option<list<u8>> */
        wit_keys keys;         /* key-response */
        wit_store_error error;
    } of;
} wit_store_result;
COFFERDAM_SIZE(wit_store_result, 24);
COFFERDAM_PLACE(wit_store_result, of, 4);
COFFERDAM_PLACE(wit_store_result, of.keys.cursor.value, 16);

/* result<s64, error>, wasi:keyvalue/atomics */
typedef struct wit_sum {
    uint8_t is_error;
    union {
        int64_t sum;
        wit_store_error error;
    } of;
} wit_sum;
COFFERDAM_SIZE(wit_sum, 24);
COFFERDAM_PLACE(wit_sum, of, 8);
COFFERDAM_PLACE(wit_sum, of.error.text, 12);

/* result<_, cas-error> with variant cas-error { store-error(error), cas-failed(cas) }, wasi:keyvalue/atomics */
typedef struct wit_swapped {
    uint8_t is_error;
    struct {
        uint8_t kind;
        union {
            wit_store_error error;
            int32_t note;
        } of;
    } error;
} wit_swapped;
COFFERDAM_SIZE(wit_swapped, 20);
COFFERDAM_PLACE(wit_swapped, error.kind, 4);
COFFERDAM_PLACE(wit_swapped, error.of, 8);
COFFERDAM_PLACE(wit_swapped, error.of.error.text, 12);

/* result<T, header-error>, and result<T> without an error, where T is a resource or nothing; wasi:http/types */
typedef struct wit_made {
    uint8_t is_error;
    union {
        int32_t handle;
        uint8_t error;
    } of;
} wit_made;
COFFERDAM_SIZE(wit_made, 8);
COFFERDAM_PLACE(wit_made, of, 4);

/* variant error-code, wasi:http/types; what its cases carry is not read */
typedef struct wit_http_error {
    uint8_t kind;
    _Alignas(8) uint8_t rest[24];
} wit_http_error;
COFFERDAM_SIZE(wit_http_error, 32);

/* result<T, error-code>, where T is a resource or nothing; wasi:http/types and outgoing-handler */
typedef struct wit_http_result {
    uint8_t is_error;
    union {
        int32_t handle;
        wit_http_error error;
    } of;
} wit_http_result;
COFFERDAM_SIZE(wit_http_result, 40);
COFFERDAM_PLACE(wit_http_result, of, 8);

/* option<result<result<incoming-response, error-code>>>, wasi:http/types */
typedef struct wit_http_answer {
    uint8_t some;
    struct {
        uint8_t is_error;
        wit_http_result result;
    } once;
} wit_http_answer;
COFFERDAM_SIZE(wit_http_answer, 56);
COFFERDAM_PLACE(wit_http_answer, once, 8);
COFFERDAM_PLACE(wit_http_answer, once.result, 16);

/* option<error-code>, wasi:http/types */
typedef struct wit_http_option_error {
    uint8_t some;
    wit_http_error error;
} wit_http_option_error;
COFFERDAM_SIZE(wit_http_option_error, 40);
COFFERDAM_PLACE(wit_http_option_error, error, 8);

/* result<T, stream-error> with variant stream-error { last-operation-failed(error), closed }, where T is list<u8> or nothing;
 * wasi:io/streams */
typedef struct wit_stream_result {
    uint8_t is_error;
    union {
        wit_list bytes;
        struct {
            uint8_t closed;
            int32_t handle;
        } error;
    } of;
} wit_stream_result;
COFFERDAM_SIZE(wit_stream_result, 12);
COFFERDAM_PLACE(wit_stream_result, of.error.handle, 8);

#endif
