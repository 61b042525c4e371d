package cofferdam_test

import (
	"errors"
	"strings"
	"testing"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
)

func TestAPayloadOfAnotherShapeIsAPermanentValidationErrorThatSaysWhere(t *testing.T) {
	for payload, expected := range map[string]string{
		"nonsense":       "after 2 bytes",
		"":               "unexpected end",
		`{} {}`:          "after top-level value",
		`{"total":"x"}`:  "field .total of type int",
		`{"total":1e99}`: "number 1e99",
	} {
		var order struct {
			Total int `json:"total"`
		}
		var failure *cofferdam.Failure
		err := cofferdamtest.Message(payload).JSON(&order)
		if !errors.As(err, &failure) || failure.Kind != cofferdam.KindPermanent || failure.Code != "VALIDATION_ERROR" ||
			!strings.Contains(failure.Text, expected) {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

func TestAMistakeOfTheHandlerIsNotTheMessages(t *testing.T) {
	var order struct{}
	if err := cofferdamtest.Message("{}").JSON(order); err == nil || errors.Is(err, cofferdam.ErrPermanent) {
		t.Error(err)
	}
}

func TestATombstoneIsToldFromAnEmptyPayload(t *testing.T) {
	if text, err := cofferdamtest.Message("").Text(); text != "" || err != nil {
		t.Error(text, err)
	}
	for _, read := range []func(*cofferdam.Message) error{
		func(m *cofferdam.Message) error { _, err := m.Bytes(); return err },
		func(m *cofferdam.Message) error { _, err := m.Text(); return err },
		func(m *cofferdam.Message) error { return m.JSON(new(any)) },
	} {
		if err := read(cofferdamtest.Tombstone()); !errors.Is(err, cofferdam.ErrPermanent) || !strings.Contains(err.Error(), "tombstone") {
			t.Error(err)
		}
	}
	if _, err := cofferdamtest.Message("\xff").Text(); !errors.Is(err, cofferdam.ErrPermanent) {
		t.Error(err)
	}
}

func TestTheLastOfRepeatedHeadersCountsLetterCaseAside(t *testing.T) {
	message := cofferdamtest.Message("")
	message.Headers = []cofferdam.Header{{Name: "trace", Value: []byte("a")}, {Name: "Trace", Value: []byte("b")}, {Name: "x", Value: []byte{0xff}}}
	if value, ok := message.HeaderText("trace"); value != "b" || !ok {
		t.Error(value)
	}
	if message.Header("traces") != nil {
		t.Error("there is none")
	}
	if _, ok := message.HeaderText("x"); ok {
		t.Error("no text")
	}
}

func TestAMissingAttributeIsNamed(t *testing.T) {
	message := cofferdamtest.Message("")
	if _, err := message.Attribute("subject"); !errors.Is(err, cofferdam.ErrPermanent) || !strings.Contains(err.Error(), `"subject"`) {
		t.Error(err)
	}
	message.Attributes = map[string]string{"subject": "s"}
	if value, err := message.Attribute("subject"); value != "s" || err != nil {
		t.Error(value, err)
	}
}

func TestAnEmptyKeyIsAKey(t *testing.T) {
	message := cofferdamtest.Message("")
	if _, ok := message.KeyText(); ok {
		t.Error("there is none")
	}
	message.Key = []byte{}
	if key, ok := message.KeyText(); key != "" || !ok {
		t.Error(key, ok)
	}
}

func TestJSONThatIsNoUTF8IsRefused(t *testing.T) {
	var value string
	err := cofferdamtest.Message("\"\xff\"").JSON(&value)
	if !errors.Is(err, cofferdam.ErrPermanent) || value != "" {
		t.Errorf("%q: %v", value, err)
	}
}
