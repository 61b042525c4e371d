package main

import (
	"errors"
	"testing"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
)

func TestAnOrderIsAddedUp(t *testing.T) {
	outputs, err := handle(cofferdamtest.Message(`{"order": "o-1", "customer": "Ada", "items": [{"sku": "a", "quantity": 2, "price": 2.5}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(outputs) != 1 || outputs[0].To != "out" || string(outputs[0].Key) != "o-1" {
		t.Fatalf("one output with the order's id as its key: %+v", outputs)
	}
	if got := string(outputs[0].Payload); got != `{"order":"o-1","customer":"Ada","total":5}` {
		t.Error(got)
	}
}

func TestWhatIsNoOrderIsRefused(t *testing.T) {
	for _, payload := range []string{
		`nonsense`,
		`{}`,
		`{"order": "o-1", "customer": "Ada", "items": []}`,
		`{"order": "o-1", "customer": "Ada", "items": [{"quantity": 0, "price": 1}]}`,
	} {
		if _, err := handle(cofferdamtest.Message(payload)); !errors.Is(err, cofferdam.ErrPermanent) {
			t.Errorf("%s: %v", payload, err)
		}
	}
}
