package abi

import "sync"

// calls makes sure that one goroutine at a time works with the arena: a goroutine can be put aside wherever it allocates, and one
// that a handler left behind can be in the middle of a call when the handler ends.
var calls sync.Mutex

// Export runs one call of the host. lift copies the arguments out of the arena, handle does the work, lower says where the result is.
func Export(lift func(), handle func(), lower func() uint32) uint32 {
	calls.Lock()
	lift()
	Release(Mark{})
	// What the call before returned has been read.
	Forget()
	collecting()
	calls.Unlock()

	handle()

	calls.Lock()
	defer calls.Unlock()
	quiet()
	return lower()
}

// Import runs one call to the host whose answer needs no memory.
func Import(call func()) {
	calls.Lock()
	defer calls.Unlock()
	call()
}

// ImportAnswer runs one call to the host whose answer is of any size. What call takes of the arena is free again afterwards.
func ImportAnswer(call func()) {
	calls.Lock()
	defer calls.Unlock()
	defer Release(Now())
	if on { // and not in an init function, where it is off
		quiet()
		defer collecting()
	}
	call()
}
