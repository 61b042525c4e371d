package abi

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
	"unsafe"
)

func u8(address uint32) byte    { return at(address, 1)[0] }
func u32(address uint32) uint32 { return binary.LittleEndian.Uint32(at(address, 4)) }
func u64(address uint32) uint64 { return binary.LittleEndian.Uint64(at(address, 8)) }

// liftString copies a string.
func liftString(address uint32) string {
	return string(at(u32(address), u32(address+4)))
}

// liftBytes copies a list<u8>; it is never nil.
func liftBytes(address uint32) []byte {
	length := u32(address + 4)
	bytes := make([]byte, length)
	copy(bytes, at(u32(address), length))
	return bytes
}

// liftOptionBytes copies an option<list<u8>>; none is nil.
func liftOptionBytes(address uint32) []byte {
	if u8(address) == 0 {
		return nil
	}
	return liftBytes(address + optionList)
}

// elements calls each with the addresses of the elements of a list<T>, after count with their number.
func elements(list, size uint32, count func(int), each func(uint32)) {
	address, length := u32(list), u32(list+4)
	count(int(length))
	for i := range length {
		each(address + i*size)
	}
}

func put8(address uint32, value byte)    { at(address, 1)[0] = value }
func put32(address uint32, value uint32) { binary.LittleEndian.PutUint32(at(address, 4), value) }
func put64(address uint32, value uint64) { binary.LittleEndian.PutUint64(at(address, 8), value) }

// putBytes lowers a list<u8> without a copy: bytes have to stay as they are until the host has read them.
func putBytes(address uint32, bytes []byte) {
	put32(address, addressOf(bytes))
	put32(address+4, uint32(len(bytes)))
}

// putString lowers a string likewise; the text has to be valid UTF-8.
func putString(address uint32, text string) {
	putBytes(address, unsafe.Slice(unsafe.StringData(text), len(text)))
}

// putOptionBytes lowers an option<list<u8>>; nil is none.
func putOptionBytes(address uint32, bytes []byte) {
	if bytes == nil {
		put8(address, 0)
		return
	}
	put8(address, 1)
	putBytes(address+optionList, bytes)
}

// Valid is the text, with U+FFFD for what is no UTF-8: the host ends an attempt that gives it such a string.
func Valid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Text is address and length of a text, as an argument.
func Text(text string) (address, length uint32) {
	return Bytes(unsafe.Slice(unsafe.StringData(text), len(text)))
}

// Bytes is address and length of bytes, as an argument.
func Bytes(bytes []byte) (address, length uint32) {
	return addressOf(bytes), uint32(len(bytes))
}

// Area is memory in the arena for an answer of the host.
func Area(size uint32) uint32 { return Reallocate(0, 0, 8, size) }
