package keyvalue

import (
	"runtime"

	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

// bucket and noted are handles of the host.
type (
	bucket uint32
	noted  uint32
)

// open: func(identifier: string) -> result<bucket, error>
//
//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 open
func hostOpen(name, nameLength, result uint32)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [resource-drop]bucket
func hostDropBucket(bucket uint32)

// get: func(key: string) -> result<option<list<u8>>, error>
//
//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.get
func hostGet(bucket, key, keyLength, result uint32)

// set: func(key: string, value: list<u8>) -> result<_, error>
//
//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.set
func hostSet(bucket, key, keyLength, value, valueLength, result uint32)

// delete: func(key: string) -> result<_, error>
//
//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.delete
func hostDelete(bucket, key, keyLength, result uint32)

// exists: func(key: string) -> result<bool, error>
//
//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.exists
func hostExists(bucket, key, keyLength, result uint32)

// list-keys: func(cursor: option<string>) -> result<key-response, error>
//
//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.list-keys
func hostKeys(bucket, some, cursor, cursorLength, result uint32)

// increment: func(bucket: borrow<bucket>, key: string, delta: s64) -> result<s64, error>
//
//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 increment
func hostIncrement(bucket, key, keyLength uint32, delta int64, result uint32)

// new: static func(bucket: borrow<bucket>, key: string) -> result<cas, error>
//
//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 [static]cas.new
func hostNote(bucket, key, keyLength, result uint32)

// current: func() -> result<option<list<u8>>, error>
//
//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 [method]cas.current
func hostCurrent(cas, result uint32)

// swap: func(cas: cas, value: list<u8>) -> result<_, cas-error>
//
//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 swap
func hostSwap(cas, value, valueLength, result uint32)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 [resource-drop]cas
func hostDropCas(cas uint32)

func open(name string) (opened bucket, err error) {
	keyed(name, abi.SizeStore, func(name, length, result uint32) {
		hostOpen(name, length, result)
		handle, failed := abi.LiftStoreOwned(result)
		opened, err = bucket(handle), asError(failed)
	})
	return opened, err
}

func (b bucket) drop() { abi.Import(func() { hostDropBucket(uint32(b)) }) }

func (b bucket) get(key string) (value []byte, err error) {
	keyed(key, abi.SizeStore, func(key, length, result uint32) {
		hostGet(uint32(b), key, length, result)
		found, failed := abi.LiftStoreValue(result)
		value, err = found, asError(failed)
	})
	return value, err
}

func (b bucket) set(key string, value []byte) (err error) {
	keyed(key, abi.SizeStore, func(key, length, result uint32) {
		address, valueLength := abi.Bytes(value)
		hostSet(uint32(b), key, length, address, valueLength, result)
		err = asError(abi.LiftStore(result))
	})
	runtime.KeepAlive(value)
	return err
}

func (b bucket) delete(key string) (err error) {
	keyed(key, abi.SizeStore, func(key, length, result uint32) {
		hostDelete(uint32(b), key, length, result)
		err = asError(abi.LiftStore(result))
	})
	return err
}

func (b bucket) exists(key string) (found bool, err error) {
	keyed(key, abi.SizeStore, func(key, length, result uint32) {
		hostExists(uint32(b), key, length, result)
		exists, failed := abi.LiftStoreBool(result)
		found, err = exists, asError(failed)
	})
	return found, err
}

func (b bucket) keys(cursor []byte) (keys []string, next []byte, err error) {
	abi.ImportAnswer(func() {
		some := uint32(0)
		if cursor != nil {
			some = 1
		}
		address, length := abi.Bytes(cursor)
		result := abi.Area(abi.SizeKeys)
		hostKeys(uint32(b), some, address, length, result)
		runtime.KeepAlive(cursor)
		var failed *abi.Failed
		keys, next, failed = abi.LiftStoreKeys(result)
		err = asError(failed)
	})
	return keys, next, err
}

func (b bucket) increment(key string, delta int64) (sum int64, err error) {
	keyed(key, abi.SizeSum, func(key, length, result uint32) {
		hostIncrement(uint32(b), key, length, delta, result)
		number, failed := abi.LiftStoreSum(result)
		sum, err = number, asError(failed)
	})
	return sum, err
}

func (b bucket) note(key string) (current []byte, handle noted, err error) {
	keyed(key, abi.SizeStore, func(key, length, result uint32) {
		hostNote(uint32(b), key, length, result)
		owned, failed := abi.LiftStoreOwned(result)
		if failed != nil {
			err = asError(failed)
			return
		}
		handle = noted(owned)
		hostCurrent(owned, result)
		value, failed := abi.LiftStoreValue(result)
		if failed != nil {
			hostDropCas(owned)
		}
		current, err = value, asError(failed)
	})
	return current, handle, err
}

func (n noted) drop() { abi.Import(func() { hostDropCas(uint32(n)) }) }

// swap takes the handle with it.
func (n noted) swap(value []byte) (swapped bool, err error) {
	abi.ImportAnswer(func() {
		result := abi.Area(abi.SizeSwap)
		address, length := abi.Bytes(value)
		hostSwap(uint32(n), address, length, result)
		runtime.KeepAlive(value)
		done, newer, failed := abi.LiftSwap(result)
		if !done && failed == nil {
			hostDropCas(newer)
		}
		swapped, err = done, asError(failed)
	})
	return swapped, err
}

// keyed calls with a text and the memory for an answer. Every answer may be an error with a text of any length.
func keyed(text string, size uint32, call func(text, length, result uint32)) {
	text = abi.Valid(text)
	abi.ImportAnswer(func() {
		address, length := abi.Text(text)
		call(address, length, abi.Area(size))
		runtime.KeepAlive(text)
	})
}
