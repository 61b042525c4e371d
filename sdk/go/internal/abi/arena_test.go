package abi

import (
	"bytes"
	"testing"
)

func TestWhatTheHostPutsIntoTheArenaStaysUntilItIsReleased(t *testing.T) {
	start := Now()
	defer Release(start)
	var addresses []uint32
	for i := range 40 {
		size := uint32(1 + i*i*100) // beyond what one chunk holds
		address := Reallocate(0, 0, 1<<(i%4), size)
		if address%(1<<(i%4)) != 0 {
			t.Fatalf("%d is not at a multiple of %d", address, 1<<(i%4))
		}
		copy(at(address, size), bytes.Repeat([]byte{byte(i)}, int(size)))
		addresses = append(addresses, address)
	}
	for i, address := range addresses {
		if size := 1 + i*i*100; !bytes.Equal(at(address, uint32(size)), bytes.Repeat([]byte{byte(i)}, size)) {
			t.Errorf("piece %d was overwritten", i)
		}
	}
}

func TestAPieceThatGrowsKeepsWhatItHas(t *testing.T) {
	defer Release(Now())
	small := Reallocate(0, 0, 1, 3)
	copy(at(small, 3), "abc")
	large := Reallocate(small, 3, 1, 2*arenaBytes)
	if string(at(large, 3)) != "abc" {
		t.Error(string(at(large, 3)))
	}
}

func TestAReleaseGivesTheSameMemoryAgain(t *testing.T) {
	mark := Now()
	first := Reallocate(0, 0, 8, 100)
	large := Reallocate(0, 0, 8, 5*arenaBytes)
	Release(mark)
	if again := Reallocate(0, 0, 8, 100); again != first {
		t.Errorf("%d and not %d", again, first)
	}
	if again := Reallocate(0, 0, 8, 5*arenaBytes); again != large {
		t.Errorf("%d and not %d: the large piece was not kept", again, large)
	}
	Release(mark)
	Reallocate(0, 0, 8, 2*kept)
	Release(mark)
	if len(spare) > kept {
		t.Errorf("%d bytes are kept", len(spare))
	}
}

func TestNothingIsAtAMultipleOfItsAlignment(t *testing.T) {
	if address := Reallocate(0, 0, 8, 0); address == 0 || address%8 != 0 {
		t.Error(address)
	}
}
