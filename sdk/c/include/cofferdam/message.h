/* The message a handler is given. */
#ifndef COFFERDAM_MESSAGE_H
#define COFFERDAM_MESSAGE_H

#include "json.h"
#include "result.h"

COFFERDAM_BEGIN

/* The host keeps the record as it came aside; this is the handler's copy. */
typedef struct cofferdam_message {
    cofferdam_string id;              /* the same at every attempt and redelivery: to recognise a repeat by */
    cofferdam_string source;          /* name of the topic or queue */
    cofferdam_string position;        /* "<partition>/<offset>" on Kafka, the message id on SQS */
    cofferdam_string key;             /* Kafka key or SQS message group; none, or bytes, and empty is a key */
    const cofferdam_pair *headers;    /* in the order of the broker's record; names may repeat; values are bytes */
    size_t header_count;
    const cofferdam_pair *attributes; /* of the envelope, such as `type` of a CloudEvent; each name stands once */
    size_t attribute_count;
    cofferdam_string payload;         /* bytes; none is a tombstone */
    uint64_t timestamp_ms;            /* milliseconds since 1970 in UTC, by the broker's clock */
    uint32_t attempt;                 /* 1 for the first attempt */
} cofferdam_message;

/* The payload as JSON. Permanent VALIDATION_ERROR: a tombstone, or not JSON; the text says where. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_message_json(const cofferdam_message *message, const cofferdam_json **json);

/* The payload as text. Permanent VALIDATION_ERROR: a tombstone, or not UTF-8. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_message_text(const cofferdam_message *message, cofferdam_string *text);

/* The last header of that name, letter case aside: who adds one again means the new value. None where there is none. */
cofferdam_string cofferdam_message_header(const cofferdam_message *message, const char *name);

/* The envelope's attribute of that name, or none. */
cofferdam_string cofferdam_message_attribute(const cofferdam_message *message, const char *name);

/* The same. Permanent VALIDATION_ERROR: there is none. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_message_require_attribute(const cofferdam_message *message, const char *name,
                                                                        cofferdam_string *value);

COFFERDAM_END

#endif
