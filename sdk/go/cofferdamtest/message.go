// Package cofferdamtest is for native tests of handlers: messages, and a stand-in for the host.
package cofferdamtest

import (
	"time"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
)

// Message is a message with this payload, id "test-message", source "test", position "0/0", and attempt 1. What else it is to have
// is set on it.
func Message(payload string) *cofferdam.Message {
	message := Tombstone()
	message.Payload = []byte(payload)
	return message
}

// Tombstone is the same without a payload.
func Tombstone() *cofferdam.Message {
	return &cofferdam.Message{
		ID:        "test-message",
		Source:    "test",
		Position:  "0/0",
		Timestamp: time.UnixMilli(0).UTC(),
		Attempt:   1,
	}
}
