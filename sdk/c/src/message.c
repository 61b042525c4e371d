#include "cofferdam/message.h"

#include "pairs.h"

static cofferdam_result payload_of(const cofferdam_message *message) {
    if (cofferdam_is_none(message->payload))
        return cofferdam_validation_error("the message is a tombstone: it has no payload");
    return cofferdam_done();
}

cofferdam_result cofferdam_message_json(const cofferdam_message *message, const cofferdam_json **json) {
    COFFERDAM_TRY(payload_of(message));
    cofferdam_json_error error;
    if (!cofferdam_json_read(message->payload, json, &error))
        return cofferdam_validation_error("the payload is not JSON: %s at byte %lu", error.what,
                                          (unsigned long)error.position);
    return cofferdam_done();
}

cofferdam_result cofferdam_message_text(const cofferdam_message *message, cofferdam_string *text) {
    COFFERDAM_TRY(payload_of(message));
    if (!cofferdam_is_utf8(message->payload))
        return cofferdam_validation_error("the payload is no text: it is not UTF-8");
    *text = message->payload;
    return cofferdam_done();
}

cofferdam_string cofferdam_message_header(const cofferdam_message *message, const char *name) {
    for (size_t at = message->header_count; at-- > 0;)
        if (cofferdam_same_name(message->headers[at].name, cofferdam_text(name)))
            return message->headers[at].value;
    return cofferdam_none();
}

cofferdam_string cofferdam_message_attribute(const cofferdam_message *message, const char *name) {
    for (size_t at = 0; at < message->attribute_count; at++)
        if (cofferdam_is(message->attributes[at].name, name))
            return message->attributes[at].value;
    return cofferdam_none();
}

cofferdam_result cofferdam_message_require_attribute(const cofferdam_message *message, const char *name,
                                                     cofferdam_string *value) {
    *value = cofferdam_message_attribute(message, name);
    if (cofferdam_is_none(*value))
        return cofferdam_validation_error("the attribute \"%s\" is missing", name);
    return cofferdam_done();
}
