package cofferdam

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

// with has one attempt of a handler.
func with(handler Handler) (abi.Result, bug) {
	single, several = handler, nil
	defer func() { single = nil }()
	return attempt(abi.Message{ID: "m-1", TimestampMS: 1500, Attempt: 2})
}

func TestAHandlerGetsTheMessageAndItsOutputsAreLowered(t *testing.T) {
	result, failed := with(func(message *Message) ([]Output, error) {
		if message.ID != "m-1" || message.Attempt != 2 || !message.Timestamp.Equal(time.Unix(1, 5e8)) || message.Payload != nil {
			t.Errorf("%+v", message)
		}
		return []Output{{To: "a\xff", Attributes: map[string]string{"b": "2", "c": "3", "a": "1\xff"}, Headers: []Header{{"h", nil}}}}, nil
	})
	expected := []abi.Output{{
		To: "a\uFFFD", Headers: []abi.Header{{Name: "h"}},
		Attributes: []abi.Attribute{{Name: "a", Value: "1\uFFFD"}, {Name: "b", Value: "2"}, {Name: "c", Value: "3"}},
	}}
	if failed != "" || !reflect.DeepEqual(result.Outputs, expected) {
		t.Errorf("%v %+v", failed, result)
	}
}

func TestFailuresAreLoweredByTheirKind(t *testing.T) {
	for _, given := range []struct {
		err      error
		expected abi.Failure
	}{
		{Retryablef("A", "a").After(1500 * time.Microsecond), abi.Failure{Case: 0, Code: "A", Text: "a", After: true, AfterMS: 2}},
		{fmt.Errorf("for m-1: %w", Permanentf("B", "b\xff")), abi.Failure{Case: 1, Code: "B", Text: "for m-1: B: b\uFFFD"}},
		{errors.Join(errors.New("first"), Deferredf("C", "c").After(-1)), abi.Failure{Case: 2, Code: "C", Text: "first\nC: c"}},
	} {
		result, failed := with(func(*Message) ([]Output, error) { return []Output{{To: "a"}}, given.err })
		if failed != "" || result.Outputs != nil || *result.Failure != given.expected {
			t.Errorf("%v: %v %+v", given.err, failed, result.Failure)
		}
	}
}

func TestWhatIsNoFailureIsABug(t *testing.T) {
	var none *Failure
	for expected, handler := range map[string]Handler{
		"*errors.errorString: plain, returned by ": func(*Message) ([]Output, error) { return nil, errors.New("plain") },
		"that is nil":         func(*Message) ([]Output, error) { return nil, none },
		"panic: for a reason": func(*Message) ([]Output, error) { panic("for a reason") },
		"panic: an error":     func(*Message) ([]Output, error) { panic(errors.New("an error")) },
		"nil pointer":         func(*Message) ([]Output, error) { return nil, errors.New(none.Code) },
		"main is not called":  nil,
	} {
		if _, failed := with(handler); !strings.Contains(string(failed), expected) {
			t.Errorf("%q, not %q", failed, expected)
		}
	}
}

func TestAPanicSaysWhereItWasAndNothingOfTheSDK(t *testing.T) {
	_, failed := with(func(*Message) ([]Output, error) { return []Output{{}}[len(single.name()):], nil })
	lines := strings.Split(string(failed), "\n")
	if !strings.HasPrefix(lines[0], "panic: runtime error: slice bounds out of range") || lines[1] != "" || lines[2] != "goroutine 1 [running]:" ||
		!strings.Contains(lines[3], "TestAPanicSaysWhereItWas") || !strings.Contains(lines[4], "attempt_test.go:") ||
		strings.Contains(string(failed), "/attempt.go:") {
		t.Error(string(failed))
	}
}

func (h Handler) name() string { return "a name that is too long" }

func TestSeveralMessagesEndOneByOne(t *testing.T) {
	defer func() { several = nil }()
	several = func(messages []*Message) []Result {
		return []Result{{Outputs: []Output{{To: messages[0].ID}}}, {Err: Validationf("no")}}[:len(messages)]
	}
	results, failed := attempts([]abi.Message{{ID: "a"}, {ID: "b"}})
	if failed != "" || results[0].Outputs[0].To != "a" || results[1].Failure.Code != ValidationError {
		t.Errorf("%v %+v", failed, results)
	}
	if result, failed := attempt(abi.Message{ID: "alone"}); failed != "" || result.Outputs[0].To != "alone" {
		t.Errorf("%v %+v", failed, result)
	}
	several = func([]*Message) []Result { return nil }
	if _, failed := attempts([]abi.Message{{}}); !strings.Contains(string(failed), "0 results for 1 messages") {
		t.Error(failed)
	}
}

func TestAPluginHasOneHandler(t *testing.T) {
	defer func() {
		single = nil
		if recover() == nil {
			t.Error("two were taken")
		}
	}()
	Handle(func(*Message) ([]Output, error) { return nil, nil })
	Handle(func(*Message) ([]Output, error) { return nil, nil })
}
