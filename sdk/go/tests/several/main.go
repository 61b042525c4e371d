// A plugin that takes several messages at once.
package main

import (
	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/batch"
)

func main() {}

func init() { batch.Handle(handle) }

func handle(messages []*cofferdam.Message) []cofferdam.Result {
	results := make([]cofferdam.Result, len(messages))
	for i, message := range messages {
		var value any
		if results[i].Err = message.JSON(&value); results[i].Err == nil {
			output, err := cofferdam.JSON("out", value)
			results[i] = cofferdam.Result{Outputs: []cofferdam.Output{output}, Err: err}
		}
	}
	return results
}
