// Package cloudevents has names for the attributes of events. On a route with `envelope = "cloudevents"` the attributes of a message
// are those of its event, and the attributes of an output become those of the event that is published. Names of attributes have
// lower-case letters and digits only.
package cloudevents

import (
	"time"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
)

const (
	// ID names the event; Message.ID is the same.
	ID = "id"
	// Source is who the event is from.
	Source = "source"
	// Type is what has happened.
	Type = "type"
	// Subject is what it has happened to.
	Subject = "subject"
	// Time is when, as of RFC 3339.
	Time = "time"
	// DataContentType is the media type of the payload.
	DataContentType = "datacontenttype"
	// DataSchema is the schema of the payload.
	DataSchema = "dataschema"
)

// Output makes an output that carries the value as JSON in an event of this type. More attributes can be set on it. A value without
// a JSON form is permanent SERIALIZATION_FAILED.
func Output(to, eventType string, value any) (cofferdam.Output, error) {
	output, err := cofferdam.JSON(to, value)
	if err != nil {
		return output, err
	}
	output.Attributes = map[string]string{Type: eventType}
	return output, nil
}

// TimeOf is when the event happened: the attribute time, or where there is none the broker's timestamp. A time that is none is
// permanent VALIDATION_ERROR.
func TimeOf(message *cofferdam.Message) (time.Time, error) {
	value, found := message.Attributes[Time]
	if !found {
		return message.Timestamp, nil
	}
	when, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, cofferdam.Validationf("the attribute %q is no time: %q", Time, value)
	}
	return when, nil
}
