package cloudevents_test

import (
	"errors"
	"testing"
	"time"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cloudevents"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
)

func TestAnEventHasItsTypeAndItsDataAsJSON(t *testing.T) {
	output, err := cloudevents.Output("out", "com.example.bill.due", map[string]int{"total": 5})
	if err != nil || output.Attributes[cloudevents.Type] != "com.example.bill.due" || string(output.Payload) != `{"total":5}` {
		t.Error(output, err)
	}
	if _, err := cloudevents.Output("out", "t", func() {}); !errors.Is(err, cofferdam.ErrPermanent) {
		t.Error(err)
	}
}

func TestTheTimeOfAnEvent(t *testing.T) {
	message := cofferdamtest.Message("")
	if when, err := cloudevents.TimeOf(message); !when.Equal(message.Timestamp) || err != nil {
		t.Error(when, err)
	}
	message.Attributes = map[string]string{"time": "2026-01-05T10:00:00.5+01:00"}
	if when, err := cloudevents.TimeOf(message); !when.Equal(time.Date(2026, 1, 5, 9, 0, 0, 5e8, time.UTC)) || err != nil {
		t.Error(when, err)
	}
	message.Attributes["time"] = "yesterday"
	if _, err := cloudevents.TimeOf(message); !errors.Is(err, cofferdam.ErrPermanent) {
		t.Error(err)
	}
}
