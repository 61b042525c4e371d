package cofferdamtest

import (
	"testing"

	"github.com/cofferdam/cofferdam/sdk/go/http"
	"github.com/cofferdam/cofferdam/sdk/go/internal/standin"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

// Host stands in for the host while a test runs: configuration, key-value store, other hosts and log.
type Host struct{ world *standin.World }

// Line is a line that the handler logged.
type Line struct {
	Level         log.Level
	Context, Text string
}

// NewHost stands in for the host until the test ends, with nothing in it. There is one host at a time, so tests that use it do not
// run in parallel: t.Parallel panics.
func NewHost(t testing.TB) *Host {
	t.Helper()
	// What is not for parallel tests in testing itself says so there; this says it for the host.
	t.Setenv("COFFERDAM_TEST_HOST", "1")
	before := standin.Current
	standin.Current = standin.NewWorld()
	t.Cleanup(func() { standin.Current = before })
	return &Host{standin.Current}
}

// Config sets a value of the plugin's configuration, and returns the host.
func (h *Host) Config(name, value string) *Host {
	if h.world.Config == nil {
		h.world.Config = map[string]string{}
	}
	h.world.Config[name] = value
	return h
}

// AnswerHTTP answers the requests of the handler from now on; before, each is http.ErrDenied.
func (h *Host) AnswerHTTP(answer func(*http.Request) (*http.Response, error)) *Host {
	h.world.HTTP = answer
	return h
}

// Logs are the lines so far, oldest first.
func (h *Host) Logs() []Line {
	noted := h.world.Logs()
	lines := make([]Line, len(noted))
	for i, line := range noted {
		lines[i] = Line{log.Level(line.Level), line.Context, line.Text}
	}
	return lines
}

// FailKeyvalueAfter lets so many further operations on buckets succeed and all after them fail, until MendKeyvalue: what a crash of the
// host in the middle of a handler looks like from the outside.
func (h *Host) FailKeyvalueAfter(operations int) { h.world.FailAfter(operations) }

// MendKeyvalue makes the key-value store work again, with all values kept.
func (h *Host) MendKeyvalue() { h.world.Mend() }
