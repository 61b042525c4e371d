/* What a handler asks the host to publish. */
#ifndef COFFERDAM_OUTPUT_H
#define COFFERDAM_OUTPUT_H

#include "json.h"
#include "message.h"

COFFERDAM_BEGIN

typedef struct cofferdam_outputs cofferdam_outputs;

/* One message to publish. Its fields are for reading, in tests; the functions below write them. They take copies. What
 * cannot be published, such as a name that is not UTF-8, makes the attempt permanent SERIALIZATION_FAILED when the handler
 * ends, so nothing is to be checked in between. */
typedef struct cofferdam_output {
    cofferdam_string to;
    cofferdam_string key;
    cofferdam_pair *headers;
    size_t header_count;
    cofferdam_pair *attributes;
    size_t attribute_count;
    cofferdam_string payload;
    cofferdam_outputs *outputs; /* that it is one of */
} cofferdam_output;

/* All outputs of a message, in the order they are published. Nothing of them is when the handler fails. */
struct cofferdam_outputs {
    cofferdam_output **items;
    size_t count;
    cofferdam_result failure; /* the first thing that cannot be published */
};

/* Adds an output. `to` is the name of an output of the route. It has no key and no payload: the key is the route's template then,
 * or the key of the message handled, and no payload is a tombstone. */
cofferdam_output *cofferdam_output_new(cofferdam_outputs *outputs, const char *to);

/* Adds a copy of the message: key, headers, attributes and payload as they are. */
cofferdam_output *cofferdam_output_copy(cofferdam_outputs *outputs, const char *to, const cofferdam_message *message);

/* Kafka key or SQS message group. */
void cofferdam_output_set_key(cofferdam_output *output, cofferdam_string key);
void cofferdam_output_set_payload(cofferdam_output *output, cofferdam_string payload);
/* What was written becomes the payload. */
void cofferdam_output_set_json(cofferdam_output *output, cofferdam_json_writer *writer);
/* A header, behind those that are there; names may repeat. */
void cofferdam_output_add_header(cofferdam_output *output, const char *name, cofferdam_string value);
/* An attribute, for the envelope and the route's templates; in place of one of the same name. No value takes that away. */
void cofferdam_output_set_attribute(cofferdam_output *output, const char *name, cofferdam_string value);

COFFERDAM_END

#endif
