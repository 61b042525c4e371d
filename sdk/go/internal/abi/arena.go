package abi

// The arena is where the host puts what it gives to the plugin: messages, and the answers of its functions. It is memory of
// its own, and not Go's heap, because the host asks for it by `cabi_realloc` in the middle of a call, where the component
// model lets a component call nobody. Go's heap cannot keep to that: any allocation may begin a collection, a collection
// asks for the time, the time is a call to the host, and the attempt ends in a trap. What is in the arena is copied when it
// is lifted; the next call writes over it.
//
// What does not fit comes from Go's heap nevertheless, and that is why the collector is off while the host can ask for
// memory: see collector.go.

const (
	// bootBytes are for the adapter between WASI preview 1 and 2, which takes its state and its stack, 64 KiB each, by
	// `cabi_realloc` in its first call, before Go's runtime has a heap, and for ever.
	bootBytes = 2<<16 + 1<<10
	// arenaBytes hold most messages. It is memory of every instance, used or not.
	arenaBytes = 64 << 10
	// kept is the largest piece of Go's heap that the arena keeps for later messages of that size.
	kept = 1 << 20
)

var (
	boot  [bootBytes]byte
	first [arenaBytes]byte

	// booted says that Go runs, and that memory is asked for by calls that end.
	booted bool
	// free is what is left: of boot before booted, of the newest chunk afterwards.
	free = area{bytes: boot[:]}
	// chunks are the pieces that were taken from Go's heap because the chunk before was full; free is of the last.
	chunks [][]byte
	// spare is a piece to be taken before Go's heap is asked.
	spare []byte
)

// area is memory that is handed out from its beginning.
type area struct {
	bytes []byte
	used  int
}

func init() {
	// Before the first message there is no handler that could let the collector run, and the message may be a large one.
	quiet()
	booted = true
	free = area{bytes: first[:]}
}

// Mark is how full the arena was.
type Mark struct {
	chunks int
	used   int
}

// Now is how full the arena is.
func Now() Mark { return Mark{len(chunks), free.used} }

// Release frees what was taken since the mark.
func Release(mark Mark) {
	for len(chunks) > mark.chunks {
		last := chunks[len(chunks)-1]
		if len(last) <= kept && len(last) > len(spare) {
			spare = last
		}
		chunks[len(chunks)-1] = nil
		chunks = chunks[:len(chunks)-1]
		if len(chunks) == 0 {
			free.bytes = first[:]
		} else {
			free.bytes = chunks[len(chunks)-1]
		}
	}
	free.used = mark.used
}

// Reallocate is `cabi_realloc`: size bytes at a multiple of align, with what was at old.
//
// It may not split the stack: it is called on whatever stack the plugin was on when it called the host, before Go runs too.
//
//go:nosplit
func Reallocate(old, oldSize, align, size uint32) uint32 {
	if size == 0 {
		return align
	}
	if len(free.bytes) == 0 {
		// Before any variable of this package has its value.
		free.bytes = boot[:]
	}
	start := (addressOf(free.bytes) + uint32(free.used) + align - 1) &^ (align - 1)
	end := int(start-addressOf(free.bytes)) + int(size)
	if end > len(free.bytes) {
		start = grow(align, size)
	} else {
		free.used = end
	}
	if old != 0 && oldSize > 0 {
		move(start, old, min(oldSize, size))
	}
	return start
}

//go:noinline
func move(to, from, size uint32) { copy(at(to, size), at(from, size)) }

// grow takes a chunk of Go's heap for what does not fit.
//
//go:noinline
func grow(align, size uint32) uint32 {
	if !booted {
		panic("the adapter wants more memory than was kept for it")
	}
	chunk := spare
	spare = nil
	if needed := int(size) + int(align); len(chunk) < needed {
		chunk = make([]byte, max(needed, arenaBytes))
	}
	chunks = append(chunks, chunk)
	start := (addressOf(chunk) + align - 1) &^ (align - 1)
	free = area{bytes: chunk, used: int(start-addressOf(chunk)) + int(size)}
	return start
}
