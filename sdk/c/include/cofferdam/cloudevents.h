/* CloudEvents, for routes with `envelope = "cloudevents"`. The host reads and writes the envelope: attributes of an event are
 * attributes of the message, its data is the payload. This gives them their names. */
#ifndef COFFERDAM_CLOUDEVENTS_H
#define COFFERDAM_CLOUDEVENTS_H

#include "message.h"
#include "output.h"

COFFERDAM_BEGIN

/* An event, as the message has it. Further attributes: `cofferdam_message_attribute`. */
typedef struct cofferdam_cloudevent {
    cofferdam_string id;
    cofferdam_string source;
    cofferdam_string type;
    cofferdam_string subject;         /* none where it is not there, like those below */
    cofferdam_string time;            /* as it stands, such as 2026-01-05T12:00:00Z */
    cofferdam_string datacontenttype;
    cofferdam_string dataschema;
} cofferdam_cloudevent;

/* The event that this message is. Permanent VALIDATION_ERROR: it is none. */
COFFERDAM_MUST_USE cofferdam_result cofferdam_cloudevent_of(const cofferdam_message *message, cofferdam_cloudevent *event);

/* Adds an event of that type to the outputs. `source`, `subject`, `time` and extensions such as `entityid` are set with
 * `cofferdam_output_set_attribute`; `id` and `specversion` are the host's, so that a repeat has the same id. */
cofferdam_output *cofferdam_cloudevent_new(cofferdam_outputs *outputs, const char *to, const char *type);

COFFERDAM_END

#endif
