//go:build !wasip1

package keyvalue

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/cofferdam/cofferdam/sdk/go/internal/standin"
)

// bucket is the stand-in for the host's: one for each name in the world of the test.
type bucket struct{ name string }

// noted is the value of a key at one moment, to be replaced only if it is still the same.
type noted struct {
	bucket bucket
	key    string
	value  []byte
}

func open(name string) (bucket, error) { return bucket{name}, nil }

func (b bucket) drop() {}

func (b bucket) do(operation func(values map[string][]byte)) error {
	if !standin.Current.Values(b.name, operation) {
		return broken("made to fail by the test")
	}
	return nil
}

func (b bucket) get(key string) (value []byte, err error) {
	err = b.do(func(values map[string][]byte) { value = slices.Clone(values[key]) })
	return value, err
}

func (b bucket) set(key string, value []byte) error {
	return b.do(func(values map[string][]byte) { values[key] = append([]byte{}, value...) })
}

func (b bucket) delete(key string) error {
	return b.do(func(values map[string][]byte) { delete(values, key) })
}

func (b bucket) exists(key string) (found bool, err error) {
	err = b.do(func(values map[string][]byte) { _, found = values[key] })
	return found, err
}

func (b bucket) keys([]byte) (keys []string, next []byte, err error) {
	err = b.do(func(values map[string][]byte) {
		for key := range values {
			keys = append(keys, key)
		}
	})
	return keys, nil, err
}

func (b bucket) increment(key string, delta int64) (sum int64, err error) {
	var wrong string
	err = b.do(func(values map[string][]byte) {
		number := int64(0)
		if value, found := values[key]; found {
			var bad error
			if number, bad = strconv.ParseInt(string(value), 10, 64); bad != nil {
				wrong = "the value of " + strconv.Quote(key) + " is no number"
				return
			}
		}
		if sum = number + delta; (sum > number) != (delta > 0) && delta != 0 {
			wrong = "the number of " + strconv.Quote(key) + " would not fit"
			return
		}
		values[key] = strconv.AppendInt(nil, sum, 10)
	})
	if wrong != "" {
		return 0, broken(wrong)
	}
	return sum, err
}

func (b bucket) note(key string) ([]byte, noted, error) {
	value, err := b.get(key)
	return value, noted{b, key, value}, err
}

func (n noted) drop() {}

func (n noted) swap(value []byte) (swapped bool, err error) {
	err = n.bucket.do(func(values map[string][]byte) {
		current, found := values[n.key]
		if found != (n.value != nil) || !bytes.Equal(current, n.value) {
			return
		}
		values[n.key], swapped = append([]byte{}, value...), true
	})
	return swapped, err
}
