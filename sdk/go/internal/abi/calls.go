package abi

import "sync"

// calls makes sure that one goroutine at a time works with the arena: a goroutine can be put aside wherever it allocates.
var calls sync.Mutex

// Export runs one call of the host: lift what is at hand in the arena, handle it, lower the result. What handle returns is a
// function that lowers, and the address of what it lowered is returned.
func Export(lift func(), handle func(), lower func() uint32) uint32 {
	calls.Lock()
	// What the call before returned has been read, and what it kept is not needed any more.
	lift()
	Release(Mark{})
	Forget()
	collecting()
	calls.Unlock()

	handle()

	calls.Lock()
	quiet()
	result := lower()
	calls.Unlock()
	return result
}

// Import runs one call to the host, call, whose answer needs no memory.
func Import(call func()) {
	calls.Lock()
	defer calls.Unlock()
	mark := Now()
	defer Release(mark)
	call()
}

// ImportAnswer runs one call to the host, call, whose answer is of any size.
func ImportAnswer(call func()) {
	calls.Lock()
	defer calls.Unlock()
	mark := Now()
	defer Release(mark)
	quiet()
	defer collecting()
	call()
}
