package main

// Two things that the SDK leaves to encoding/json. To be removed, with the calls of it replaced by message.JSON and cofferdam.JSON,
// when the SDK does them.

import (
	"strings"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
)

// The first pair keeps what follows a backslash that is itself escaped as it is.
var plain = strings.NewReplacer(`\\`, `\\`, `\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\u2028`, "\u2028", `\u2029`, "\u2029")

// plainJSON is cofferdam.JSON without the escapes that only HTML and old JavaScript needed.
func plainJSON(to string, value any) (cofferdam.Output, error) {
	output, err := cofferdam.JSON(to, value)
	output.Payload = []byte(plain.Replace(string(output.Payload)))
	return output, err
}

// readJSON is message.JSON, and refuses what is no UTF-8 instead of reading U+FFFD.
func readJSON(message *cofferdam.Message, value any) error {
	if _, err := message.Text(); err != nil {
		return err
	}
	return message.JSON(value)
}
