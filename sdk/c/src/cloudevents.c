#include "cofferdam/cloudevents.h"

cofferdam_result cofferdam_cloudevent_of(const cofferdam_message *message, cofferdam_cloudevent *event) {
    COFFERDAM_TRY(cofferdam_message_require_attribute(message, "id", &event->id));
    COFFERDAM_TRY(cofferdam_message_require_attribute(message, "source", &event->source));
    COFFERDAM_TRY(cofferdam_message_require_attribute(message, "type", &event->type));
    event->subject = cofferdam_message_attribute(message, "subject");
    event->time = cofferdam_message_attribute(message, "time");
    event->datacontenttype = cofferdam_message_attribute(message, "datacontenttype");
    event->dataschema = cofferdam_message_attribute(message, "dataschema");
    return cofferdam_done();
}

cofferdam_output *cofferdam_cloudevent_new(cofferdam_outputs *outputs, const char *to, const char *type) {
    cofferdam_output *output = cofferdam_output_new(outputs, to);
    cofferdam_output_set_attribute(output, "type", cofferdam_text(type));
    return output;
}
