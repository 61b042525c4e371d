package cofferdam

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// pairBytes are what the host counts for each header and attribute, beside name and value.
const pairBytes = 32

// Output is one message to publish, once the handler has ended well.
type Output struct {
	// To is the name of an output of the route.
	To string
	// Key is the Kafka key or the SQS message group. Nil: the route's template, else the key of the message handled.
	Key []byte
	// Headers are written in this order; names may repeat.
	Headers []Header
	// Attributes are for the envelope and for the route's templates.
	Attributes map[string]string
	// Payload is what the envelope is to carry; nil writes a tombstone, and empty does not.
	Payload []byte
}

// JSON makes an output that carries the value as JSON, with text as it is: what json.Marshal escapes for the sake of HTML and of
// old JavaScript stands as itself, as other languages write it. A value without a JSON form, such as a function or NaN, is
// permanent SERIALIZATION_FAILED.
func JSON(to string, value any) (Output, error) {
	var payload bytes.Buffer
	encoder := json.NewEncoder(&payload)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return Output{}, Permanentf("SERIALIZATION_FAILED", "the payload for output %q has no JSON form: %w", to, err)
	}
	return Output{To: to, Payload: plain(bytes.TrimSuffix(payload.Bytes(), []byte("\n")))}, nil
}

// plain has the line and the paragraph separator as themselves, which encoding/json escapes whatever it is told.
func plain(encoded []byte) []byte {
	if !bytes.Contains(encoded, []byte(`\u202`)) {
		return encoded
	}
	plain := make([]byte, 0, len(encoded))
	for at := 0; at < len(encoded); at++ {
		rest := encoded[at:]
		switch {
		case bytes.HasPrefix(rest, []byte(`\u2028`)):
			plain, at = append(plain, "\u2028"...), at+5
		case bytes.HasPrefix(rest, []byte(`\u2029`)):
			plain, at = append(plain, "\u2029"...), at+5
		case rest[0] == '\\':
			// What it escapes is not the beginning of an escape.
			plain, at = append(plain, rest[:2]...), at+1
		default:
			plain = append(plain, rest[0])
		}
	}
	return plain
}

// Text makes an output that carries the text.
func Text(to, payload string) Output { return Output{To: to, Payload: []byte(payload)} }

// CopyOf is the message itself, for an output: key, headers, attributes and payload as they are.
func CopyOf(message *Message, to string) Output {
	return Output{
		To:         to,
		Key:        message.Key,
		Headers:    slices.Clone(message.Headers),
		Attributes: maps.Clone(message.Attributes),
		Payload:    message.Payload,
	}
}

// CountedBytes is what this output takes of the limit output_bytes, which is over all outputs of a call.
func (o *Output) CountedBytes() int {
	bytes := len(o.Key) + len(o.Payload)
	for _, header := range o.Headers {
		bytes += len(header.Name) + len(header.Value) + pairBytes
	}
	for name, value := range o.Attributes {
		bytes += len(name) + len(value) + pairBytes
	}
	return bytes
}
