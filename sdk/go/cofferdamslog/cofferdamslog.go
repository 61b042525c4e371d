// Package cofferdamslog writes log/slog to the log of the host, each record with its level:
//
//	func init() { slog.SetDefault(cofferdamslog.New(slog.LevelInfo)) }
//
// Without it, records go to standard error, where the host takes all of them for warnings. A plugin with log/slog is some 400 KB
// larger than one that makes do with package log.
package cofferdamslog

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"github.com/cofferdam/cofferdam/sdk/go/log"
)

// New is a logger for records of the level and above.
func New(level slog.Leveler) *slog.Logger { return slog.New(NewHandler(level)) }

// NewHandler is the handler of such a logger. Lines are those of slog.TextHandler without time and level, which the host adds.
func NewHandler(level slog.Leveler) slog.Handler {
	lines := &lines{}
	text := slog.NewTextHandler(lines, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTimeAndLevel})
	return &handler{text, lines}
}

// handler tells lines the level of each record, which a writer cannot see.
type handler struct {
	text  slog.Handler
	lines *lines
}

type lines struct {
	lock  sync.Mutex
	level slog.Level
}

func (l *lines) Write(line []byte) (int, error) {
	log.Write(levelOf(l.level), "", string(bytes.TrimSuffix(line, []byte("\n"))))
	return len(line), nil
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.text.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	h.lines.lock.Lock()
	defer h.lines.lock.Unlock()
	h.lines.level = record.Level
	return h.text.Handle(ctx, record)
}

func (h *handler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &handler{h.text.WithAttrs(attributes), h.lines}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.text.WithGroup(name), h.lines}
}

func withoutTimeAndLevel(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) == 0 && (attribute.Key == slog.TimeKey || attribute.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return attribute
}

func levelOf(level slog.Level) log.Level {
	switch {
	case level >= slog.LevelError:
		return log.LevelError
	case level >= slog.LevelWarn:
		return log.LevelWarn
	case level >= slog.LevelInfo:
		return log.LevelInfo
	case level >= slog.LevelDebug:
		return log.LevelDebug
	default:
		return log.LevelTrace
	}
}
