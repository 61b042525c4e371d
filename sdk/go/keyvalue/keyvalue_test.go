package keyvalue_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
	"github.com/cofferdam/cofferdam/sdk/go/keyvalue"
)

func bucket(t *testing.T, name string) *keyvalue.Bucket {
	t.Helper()
	bucket, err := keyvalue.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return bucket
}

func none(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func is(t *testing.T, b *keyvalue.Bucket, key, expected string) {
	t.Helper()
	value, err := b.Get(key)
	none(t, err)
	if string(value) != expected {
		t.Errorf("%q is %q", key, value)
	}
}

func TestAValueIsReadBackOverwrittenAndRemoved(t *testing.T) {
	cofferdamtest.NewHost(t)
	orders := bucket(t, "orders")
	defer orders.Close()
	is(t, orders, "k", "")
	none(t, orders.Set("k", []byte("one")))
	none(t, orders.Set("k", []byte("two")))
	none(t, orders.Set("empty", nil))
	is(t, orders, "k", "two")
	if value, err := orders.Get("empty"); value == nil || err != nil {
		t.Error("an empty value is a value", err)
	}
	is(t, bucket(t, "others"), "k", "")
	keys, err := orders.Keys()
	none(t, err)
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"empty", "k"}) {
		t.Error(keys)
	}
	none(t, orders.Delete("k"))
	none(t, orders.Delete("k"))
	if exists, err := orders.Exists("k"); exists || err != nil {
		t.Error(exists, err)
	}
}

func TestACounterCountsAndRefusesWhatIsNoNumber(t *testing.T) {
	cofferdamtest.NewHost(t)
	orders := bucket(t, "orders")
	for _, step := range [][2]int64{{2, 2}, {-5, -3}, {0, -3}} {
		if sum, err := orders.Increment("n", step[0]); sum != step[1] || err != nil {
			t.Error(sum, err)
		}
	}
	if _, err := orders.Increment("n", math.MinInt64); !errors.Is(err, keyvalue.ErrStore) {
		t.Error(err)
	}
	is(t, orders, "n", "-3")
	none(t, orders.Set("text", []byte("x")))
	if _, err := orders.Increment("text", 1); !errors.Is(err, keyvalue.ErrStore) {
		t.Error(err)
	}
	is(t, orders, "text", "x")
}

func TestTheFirstToSetAnAbsentKeyKeepsIt(t *testing.T) {
	cofferdamtest.NewHost(t)
	orders := bucket(t, "orders")
	for _, step := range [][2]string{{"first", ""}, {"second", "first"}} {
		if before, err := orders.SetIfAbsent("owner", []byte(step[0])); string(before) != step[1] || err != nil {
			t.Error(string(before), err)
		}
	}
	is(t, orders, "owner", "first")
}

func TestAStoreThatIsAwayMakesTheMessageComeAgainAndKeepsWhatItHas(t *testing.T) {
	host := cofferdamtest.NewHost(t)
	orders := bucket(t, "orders")
	host.FailKeyvalueAfter(1)
	none(t, orders.Set("a", []byte("1")))
	err := orders.Set("b", []byte("2"))
	var failure *cofferdam.Failure
	if !errors.Is(err, keyvalue.ErrStore) || !errors.As(err, &failure) || failure.Kind != cofferdam.KindRetryable ||
		failure.Code != "SERVICE_UNAVAILABLE" {
		t.Error(err)
	}
	host.MendKeyvalue()
	is(t, orders, "a", "1")
	is(t, orders, "b", "")
}
