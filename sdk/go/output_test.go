package cofferdam_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
)

func TestAValueWithoutAJSONFormIsAPermanentFailure(t *testing.T) {
	for _, value := range []any{math.NaN(), func() {}} {
		_, err := cofferdam.JSON("a", value)
		var failure *cofferdam.Failure
		if !errors.As(err, &failure) || failure.Kind != cofferdam.KindPermanent || failure.Code != "SERIALIZATION_FAILED" {
			t.Error(err)
		}
	}
}

func TestTextInJSONStandsAsItself(t *testing.T) {
	text := "ü <b>&amp;</b> \u2028\u2029 😀 \\u2028 \\\u2029 \\\\ \"\x01"
	output, err := cofferdam.JSON("a", []string{text})
	expected := "[\"ü <b>&amp;</b> \u2028\u2029 😀 \\\\u2028 \\\\\u2029 \\\\\\\\ \\\"\\u0001\"]"
	if err != nil || string(output.Payload) != expected {
		t.Errorf("%s, not %s: %v", output.Payload, expected, err)
	}
}

func TestACopyIsTheMessageAndItsOwn(t *testing.T) {
	message := cofferdamtest.Message("p")
	message.Key = []byte("k")
	message.Headers = []cofferdam.Header{{Name: "h", Value: []byte("1")}, {Name: "h", Value: []byte("2")}}
	message.Attributes = map[string]string{"a": "b"}
	expected := cofferdam.Output{To: "x", Key: message.Key, Headers: message.Headers, Attributes: message.Attributes, Payload: message.Payload}
	output := cofferdam.CopyOf(message, "x")
	if !reflect.DeepEqual(output, expected) {
		t.Errorf("%+v", output)
	}
	output.Attributes["a"] = "c"
	if message.Attributes["a"] != "b" {
		t.Error("the message has changed")
	}
}

func TestBytesAreCountedAsTheHostCountsThem(t *testing.T) {
	output := cofferdam.Text("ignored", "12345")
	output.Key = []byte("k")
	output.Headers = []cofferdam.Header{{Name: "ab", Value: []byte("c")}}
	output.Attributes = map[string]string{"d": "ef"}
	if counted := output.CountedBytes(); counted != 5+1+(3+32)+(3+32) {
		t.Error(counted)
	}
}
