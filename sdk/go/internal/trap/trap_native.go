//go:build !wasm

package trap

func now() { panic("a trap") }
