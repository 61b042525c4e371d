package main

import (
	"errors"
	"reflect"
	"testing"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

func newHost(t *testing.T) *cofferdamtest.Host {
	return cofferdamtest.NewHost(t).Config("vat.DE", "19").Config("free_shipping_cents", "500")
}

func TestAnOrderGetsItsVATAndShipping(t *testing.T) {
	host := newHost(t)
	outputs, err := handle(cofferdamtest.Message(
		`{"order": "o-1", "customer": "Ada <&> Söhne", "country": "DE", "items": [{"sku": "a", "quantity": 2, "cents": 250}]}`))
	if err != nil {
		t.Fatal(err)
	}
	expected := []cofferdam.Output{{
		To:      "enriched",
		Key:     []byte("o-1"),
		Headers: []cofferdam.Header{{Name: "schema", Value: []byte("order/2")}},
		Payload: []byte(`{"order":"o-1","customer":"Ada <&> Söhne","country":"DE",` +
			`"items":[{"sku":"a","quantity":2,"cents":250,"total_cents":500}],"total_cents":500,"vat_cents":95,"shipping":"free"}`),
	}}
	if !reflect.DeepEqual(outputs, expected) {
		t.Errorf("%s\nand not\n%s", outputs, expected)
	}
	if logs := host.Logs(); len(logs) != 1 || logs[0] != (cofferdamtest.Line{Level: log.LevelInfo, Text: "order o-1: 595 cents with vat"}) {
		t.Error(logs)
	}
}

func TestWhatIsNoOrderIsRefused(t *testing.T) {
	newHost(t)
	for payload, code := range map[string]string{
		`no JSON`: cofferdam.ValidationError,
		`{}`:      cofferdam.ValidationError,
		`{"order": "o", "customer": "c", "country": "DE", "items": []}`:                                         cofferdam.ValidationError,
		`{"order": "o", "customer": "c", "country": "DE", "items": [{"sku": "a", "quantity": 0, "cents": 1}]}`:  cofferdam.ValidationError,
		`{"order": "o", "customer": "c", "country": "DE", "items": [{"sku": "a", "quantity": 1, "cents": -1}]}`: cofferdam.ValidationError,
		`{"order": "o", "customer": "c", "country": "DE", "items": [{"sku": "a", "quantity": 1}]}`:              cofferdam.ValidationError,
		`{"order": "o", "customer": "c", "country": "XX", "items": [{"sku": "a", "quantity": 1, "cents": 1}]}`:  "UNKNOWN_COUNTRY",
	} {
		_, err := handle(cofferdamtest.Message(payload))
		var failure *cofferdam.Failure
		if !errors.As(err, &failure) || failure.Kind != cofferdam.KindPermanent || failure.Code != code {
			t.Errorf("%s: %v", payload, err)
		}
	}
}
