//go:build !wasip1

package abi

import (
	"fmt"
	"unsafe"
)

// Natively there is no host: tests lift and lower in memory that has addresses of 32 bits by these tables.

// base is where the first block begins: 0 is no address, and a wrong one should not hit by chance.
const base = 1 << 16

var blocks []block

type block struct {
	start uint32
	bytes []byte
}

func at(address, length uint32) []byte {
	if length == 0 {
		return nil
	}
	for _, known := range blocks {
		if address >= known.start && uint64(address)+uint64(length) <= uint64(known.start)+uint64(len(known.bytes)) {
			return known.bytes[address-known.start:][:length:length]
		}
	}
	panic(fmt.Sprint("no memory at ", address, " of ", length, " in ", len(blocks)))
}

func addressOf(bytes []byte) uint32 {
	if len(bytes) == 0 {
		return 0
	}
	first := unsafe.SliceData(bytes)
	next := uint32(base)
	for _, known := range blocks {
		within := uintptr(unsafe.Pointer(first)) - uintptr(unsafe.Pointer(unsafe.SliceData(known.bytes)))
		if within < uintptr(len(known.bytes)) && within+uintptr(len(bytes)) <= uintptr(len(known.bytes)) {
			return known.start + uint32(within)
		}
		next = (known.start + uint32(len(known.bytes)) + 15) &^ 7
	}
	blocks = append(blocks, block{next, bytes})
	return next
}
