package cofferdam

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// Header is one header: a Kafka header or an SQS message attribute. Names may repeat within a message.
type Header struct {
	Name string
	// Value is the bytes as they are on the broker.
	Value []byte
}

// Message is one message. The host keeps the record as it came aside; this is the handler's copy, to keep and to change.
type Message struct {
	// ID is the same at every attempt and every redelivery: the key to recognise a repeat by.
	ID string
	// Source is the name of the topic or queue.
	Source string
	// Position is "<partition>/<offset>" on Kafka, the message id on SQS.
	Position string
	// Key is the Kafka key or the SQS message group; nil where there is none. An empty key is a key.
	Key []byte
	// Headers are all headers in the order of the broker's record.
	Headers []Header
	// Attributes are what the envelope says, such as "type" and "subject" of a CloudEvent; empty for the raw envelope.
	Attributes map[string]string
	// Payload is what the envelope carries; nil is a tombstone, and empty is not.
	Payload []byte
	// Timestamp is the broker's, in UTC.
	Timestamp time.Time
	// Attempt is 1 for the first.
	Attempt int
}

// JSON reads the payload into what value points to, as json.Unmarshal does. Fields that are missing are no error there: check
// what you need. A tombstone, what is no JSON or is not of that shape is permanent VALIDATION_ERROR; the text says where.
func (m *Message) JSON(value any) error {
	payload, err := m.Bytes()
	if err != nil {
		return err
	}
	if !utf8.Valid(payload) {
		// encoding/json would read U+FFFD instead.
		return Validationf("the payload is not JSON: it is not UTF-8")
	}
	err = json.Unmarshal(payload, value)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	var wrong *json.InvalidUnmarshalError
	switch {
	case errors.As(err, &wrong):
		return err // the handler's fault, not the message's
	case errors.As(err, &syntax):
		return Validationf("the payload is not JSON, after %d bytes: %w", syntax.Offset, err)
	case errors.As(err, &shape):
		return Validationf("the payload is not the JSON expected, after %d bytes: %w", shape.Offset, err)
	default:
		return Validationf("the payload is not the JSON expected: %w", err)
	}
}

// Text is the payload as text. A tombstone, or what is no UTF-8, is permanent VALIDATION_ERROR.
func (m *Message) Text() (string, error) {
	payload, err := m.Bytes()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(payload) {
		return "", Validationf("the payload is no text: it is not UTF-8")
	}
	return string(payload), nil
}

// Bytes is the payload. A tombstone is permanent VALIDATION_ERROR.
func (m *Message) Bytes() ([]byte, error) {
	if m.Payload == nil {
		return nil, Validationf("the message is a tombstone: it has no payload")
	}
	return m.Payload, nil
}

// KeyText is the key as text; false where there is no key or it is not UTF-8.
func (m *Message) KeyText() (string, bool) { return text(m.Key) }

// Header is the value of the last header of that name, letter case aside: whoever adds a header again means the new value. It is
// nil where there is none.
func (m *Message) Header(name string) []byte {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if strings.EqualFold(m.Headers[i].Name, name) {
			return m.Headers[i].Value
		}
	}
	return nil
}

// HeaderText is the same as text; false where there is no such header or it is not UTF-8.
func (m *Message) HeaderText(name string) (string, bool) { return text(m.Header(name)) }

// Attribute is the envelope's attribute of that name. Where there is none, that is permanent VALIDATION_ERROR.
func (m *Message) Attribute(name string) (string, error) {
	value, found := m.Attributes[name]
	if !found {
		return "", Validationf("the attribute %q is missing", name)
	}
	return value, nil
}

func text(bytes []byte) (string, bool) {
	if bytes == nil || !utf8.Valid(bytes) {
		return "", false
	}
	return string(bytes), true
}
