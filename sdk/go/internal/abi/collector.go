package abi

import "runtime/debug"

// The collector is on while the handler runs and off while the host can ask for memory: between two messages, and in calls of
// the host whose answer needs memory. See arena.go for why. Turning it off waits for a collection that is under way; both
// together take some microseconds.

var (
	// percent is what the collector is set to while it is on. A handler that changes it (debug.SetGCPercent) changes this.
	percent = 100
	// on is whether a handler runs.
	on bool
)

// collecting lets the collector run.
func collecting() {
	on = true
	debug.SetGCPercent(percent)
}

// quiet ends a collection that is under way and lets none begin.
func quiet() {
	if before := debug.SetGCPercent(-1); on {
		percent = before
	}
	on = false
}
