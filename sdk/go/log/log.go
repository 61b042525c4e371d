// Package log writes log lines of the plugin, with a level. The host bounds them in lines and bytes, escapes control characters,
// and adds plugin and message. Standard output and standard error become log lines too. For log/slog there is package
// cofferdamslog.
package log

import (
	"fmt"

	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

// Level is how much a line matters.
type Level byte

const (
	// LevelTrace is steps and values inside the handler.
	LevelTrace Level = iota
	// LevelDebug is what helps to find a bug.
	LevelDebug
	// LevelInfo is what somebody who watches the service wants to know.
	LevelInfo
	// LevelWarn says that something is off and was survived.
	LevelWarn
	// LevelError says that something failed.
	LevelError
)

// Debug logs what helps to find a bug.
func Debug(text string) { Write(LevelDebug, "", text) }

// Info logs what somebody who watches the service wants to know.
func Info(text string) { Write(LevelInfo, "", text) }

// Warn logs that something is off and was survived.
func Warn(text string) { Write(LevelWarn, "", text) }

// Error logs that something failed.
func Error(text string) { Write(LevelError, "", text) }

// Debugf is [Debug] with a text as of fmt.Sprintf.
func Debugf(format string, args ...any) { Debug(fmt.Sprintf(format, args...)) }

// Infof is [Info] with a text as of fmt.Sprintf.
func Infof(format string, args ...any) { Info(fmt.Sprintf(format, args...)) }

// Warnf is [Warn] with a text as of fmt.Sprintf.
func Warnf(format string, args ...any) { Warn(fmt.Sprintf(format, args...)) }

// Errorf is [Error] with a text as of fmt.Sprintf.
func Errorf(format string, args ...any) { Error(fmt.Sprintf(format, args...)) }

// Write logs a line at any level. The context is free text to group lines by, and may be empty.
func Write(level Level, context, text string) {
	write(level, abi.Valid(context), abi.Valid(text))
}
