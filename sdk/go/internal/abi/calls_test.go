package abi

import (
	"runtime/debug"
	"testing"
)

// percentNow is what the collector is set to.
func percentNow() int {
	now := debug.SetGCPercent(-1)
	debug.SetGCPercent(now)
	return now
}

func TestTheCollectorIsOffWheneverTheHostCanAskForMemory(t *testing.T) {
	defer debug.SetGCPercent(percentNow())
	quiet()
	ImportAnswer(func() {})
	if percentNow() != -1 {
		t.Error("it is on after a call in an init function")
	}
	for _, set := range []int{50, 200} {
		Export(func() {
			if percentNow() != -1 {
				t.Error("it is on before a message")
			}
		}, func() {
			debug.SetGCPercent(set)
			ImportAnswer(func() {
				if percentNow() != -1 {
					t.Error("it is on in a call")
				}
			})
			if percentNow() != set {
				t.Error("it is not on in the handler, or not as the handler set it")
			}
		}, func() uint32 {
			if percentNow() != -1 {
				t.Error("it is on after a message")
			}
			return 0
		})
	}
	Export(func() {}, func() {
		if percentNow() != 200 {
			t.Error("what a handler set is lost")
		}
	}, func() uint32 { return 0 })
}

func TestAnAnswerIsNotKeptInTheArena(t *testing.T) {
	before := Now()
	ImportAnswer(func() { Area(3 * arenaBytes) })
	if Now() != before {
		t.Error(Now())
	}
}
