// Package cofferdam is for handlers of messages that run in the host Cofferdam.
//
//	package main
//
//	import cofferdam "github.com/cofferdam/cofferdam/sdk/go"
//
//	func init() { cofferdam.Handle(handle) }
//
//	func main() {} // is not called
//
//	func handle(message *cofferdam.Message) ([]cofferdam.Output, error) {
//		var order struct{ Total int }
//		if err := message.JSON(&order); err != nil { // not JSON, or not of that shape: permanent VALIDATION_ERROR
//			return nil, err
//		}
//		output, err := cofferdam.JSON("billable", order.Total) // "billable" is an output of the route
//		return []cofferdam.Output{output}, err
//	}
//
// Built with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`, that is a plugin. Built natively it is a function like any
// other: package cofferdamtest makes messages for it and stands in for the host.
//
// What a plugin has to be granted is a package of its own, keyvalue and http: a plugin that calls it asks for it.
package cofferdam

import (
	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
	"github.com/cofferdam/cofferdam/sdk/go/internal/link"
)

// Handler handles one message.
//
// Outputs and no error: the host publishes all of them, waits until they are durable, and acknowledges the message. No outputs
// are fine. An error that is or wraps a [*Failure], as [Retryable], [Permanent], [Deferred] and [Validation] make them, ends the
// attempt as that says, and nothing is published. Any other error is a bug: its text goes to the log and the attempt is
// trapped, as by a panic, whose stack goes to the log; the host takes a new instance, tries again, and after some attempts
// files the message as dead. So an error that is worth another attempt for its own sake has to say so.
type Handler func(message *Message) ([]Output, error)

// BatchHandler handles several messages and has a result for each, in their order: see package batch.
type BatchHandler func(messages []*Message) []Result

// Result is how one of several messages ended: what a [Handler] returns.
type Result struct {
	Outputs []Output
	Err     error
}

// Handle makes a plugin of the function. Call it once, in an init function: main is not called.
func Handle(handler Handler) {
	register(handler, nil)
}

var (
	single  Handler
	several BatchHandler
)

func init() {
	link.Register = func(handler any) { register(nil, handler.(BatchHandler)) }
	link.Attempts = func(messages []abi.Message) ([]abi.Result, string) {
		results, failed := attempts(messages)
		return results, string(failed)
	}
}

func register(handler Handler, batch BatchHandler) {
	if single != nil || several != nil {
		panic("cofferdam: a plugin has one handler")
	}
	single, several = handler, batch
}
