//go:build !wasip1

package log

import "github.com/cofferdam/cofferdam/sdk/go/internal/standin"

func write(level Level, context, text string) {
	standin.Current.Log(standin.Line{Level: byte(level), Context: context, Text: text})
}
