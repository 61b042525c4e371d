package log

import (
	"runtime"

	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

// log: func(level: level, context: string, message: string)
//
//go:wasmimport wasi:logging/logging@0.1.0-draft log
func hostLog(level, context, contextLength, text, textLength uint32)

func write(level Level, context, text string) {
	abi.Import(func() {
		contextAddress, contextLength := abi.Text(context)
		textAddress, textLength := abi.Text(text)
		hostLog(uint32(level), contextAddress, contextLength, textAddress, textLength)
		runtime.KeepAlive(context)
		runtime.KeepAlive(text)
	})
}
