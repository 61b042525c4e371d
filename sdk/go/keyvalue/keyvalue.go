// Package keyvalue holds values that outlive the instance, in the bucket the plugin was granted:
// `capabilities = { keyvalue = "orders" }` lets it open "orders".
//
// A write stays when the handler fails afterwards, and the same message may come again. So write what a second attempt may find
// there: set the same value again, or use [Bucket.SetIfAbsent].
//
// All errors are failures that a handler can return as they are: permanent CAPABILITY_DENIED where the bucket is missing or not
// granted, retryable SERVICE_UNAVAILABLE where the store failed. errors.Is tells them apart.
package keyvalue

import (
	"errors"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

// swapAttempts is how often SetIfAbsent tries again when somebody else changes the key between its look and its write. Only a key
// that is set and deleted over and over can use them up.
const swapAttempts = 16

var (
	// ErrNoSuchStore says that there is no bucket of that name.
	ErrNoSuchStore = errors.New("there is no key-value bucket of that name")
	// ErrAccessDenied says that the plugin has no grant for that bucket.
	ErrAccessDenied = errors.New("the plugin has no grant for that key-value bucket")
	// ErrStore says that the store itself failed.
	ErrStore = errors.New("the key-value store failed")
)

// Bucket is a collection of keys and values, shared by all plugins that were granted its name.
type Bucket struct{ host bucket }

// Open opens the bucket that was granted under this name. It is open for as long as the instance lives: keep it, or open it for
// every message and close it.
func Open(name string) (*Bucket, error) {
	host, err := open(name)
	if err != nil {
		return nil, err
	}
	return &Bucket{host}, nil
}

// Close lets go of the bucket. It is not to be used any more then.
func (b *Bucket) Close() { b.host.drop() }

// Get is the value of the key; nil where there is none.
func (b *Bucket) Get(key string) ([]byte, error) { return b.host.get(key) }

// Set sets the value of the key, whatever it was before.
func (b *Bucket) Set(key string, value []byte) error { return b.host.set(key, value) }

// Delete removes the key; no error where there is none.
func (b *Bucket) Delete(key string) error { return b.host.delete(key) }

// Exists says whether there is a value for the key.
func (b *Bucket) Exists(key string) (bool, error) { return b.host.exists(key) }

// Keys are all keys, in no particular order.
func (b *Bucket) Keys() ([]string, error) {
	var keys []string
	var cursor []byte
	for {
		page, next, err := b.host.keys(cursor)
		if err != nil {
			return nil, err
		}
		keys = append(keys, page...)
		if next == nil {
			return keys, nil
		}
		cursor = next
	}
}

// Increment adds delta to the number under the key in one step and returns the sum; a missing key counts as zero. A delta of zero
// reads the number. It fails where the value is no number or the sum does not fit.
func (b *Bucket) Increment(key string, delta int64) (int64, error) {
	return b.host.increment(key, delta)
}

// SetIfAbsent sets the value of the key in one step, if it has none, and returns nil; or it returns the value that was there
// before, and wrote nothing. Of several callers at once exactly one gets nil.
func (b *Bucket) SetIfAbsent(key string, value []byte) (before []byte, err error) {
	for range swapAttempts {
		current, noted, err := b.host.note(key)
		if err != nil {
			return nil, err
		}
		if current != nil {
			noted.drop()
			return current, nil
		}
		swapped, err := noted.swap(value)
		if err != nil || swapped {
			return nil, err
		}
	}
	return nil, broken("a key changed again and again while it was being set")
}

func broken(text string) error {
	return cofferdam.Retryablef("SERVICE_UNAVAILABLE", "%w: %s", ErrStore, text)
}

// asError is the error of the contract: no-such-store, access-denied, other(string).
func asError(failed *abi.Failed) error {
	switch {
	case failed == nil:
		return nil
	case failed.Case == 0:
		return cofferdam.Permanent("CAPABILITY_DENIED", ErrNoSuchStore)
	case failed.Case == 1:
		return cofferdam.Permanent("CAPABILITY_DENIED", ErrAccessDenied)
	default:
		return broken(failed.Text)
	}
}
