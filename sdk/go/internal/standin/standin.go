// Package standin is the host in native builds: in memory, and for tests to set.
package standin

import "sync"

// World is what a test has set, and what the handler did.
type World struct {
	lock sync.Mutex
	// Config is read under no lock: a test sets it before.
	Config map[string]string
	// HTTP answers requests; nil denies them. It is an http.Answer, which this package cannot name.
	HTTP any

	values         map[string]map[string][]byte
	operationsLeft int
	failing        bool
	logs           []Line
}

// Line is a line that was logged.
type Line struct {
	Level         byte
	Context, Text string
}

// Current is the world of the test that runs.
var Current = NewWorld()

// NewWorld has nothing in it.
func NewWorld() *World { return &World{values: map[string]map[string][]byte{}} }

// Log notes a line.
func (w *World) Log(line Line) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.logs = append(w.logs, line)
}

// Logs are the lines so far.
func (w *World) Logs() []Line {
	w.lock.Lock()
	defer w.lock.Unlock()
	return append([]Line(nil), w.logs...)
}

// FailAfter lets so many operations on values succeed, and then none.
func (w *World) FailAfter(operations int) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.failing, w.operationsLeft = true, operations
}

// Mend lets operations succeed again.
func (w *World) Mend() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.failing = false
}

// Values does one operation on the values of a bucket; false where it is to fail.
func (w *World) Values(bucket string, operation func(map[string][]byte)) bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.failing {
		if w.operationsLeft == 0 {
			return false
		}
		w.operationsLeft--
	}
	if w.values[bucket] == nil {
		w.values[bucket] = map[string][]byte{}
	}
	operation(w.values[bucket])
	return true
}
