//go:build wasip1

package abi

import "unsafe"

// at is the memory from address to address+length. The address is one that the host was given, or gave.
func at(address, length uint32) []byte {
	// The detour over a pointer to a pointer keeps vet from taking an address of the host for a mistake.
	bits := uintptr(address)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&bits)), length)
}

// addressOf is where the bytes are. Whoever calls it keeps them reachable until the host has read them; they do not move,
// because Go's collector moves nothing, and the host reads arguments before it calls anything that could move a stack.
func addressOf(bytes []byte) uint32 {
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(bytes))))
}
