package cofferdam

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

// bug is what ends the attempt with a trap: the lines for standard error.
type bug string

// attempt handles one message.
func attempt(lifted abi.Message) (result abi.Result, failed bug) {
	if several != nil {
		results, failed := attempts([]abi.Message{lifted})
		if failed != "" {
			return abi.Result{}, failed
		}
		return results[0], ""
	}
	failed = guarded(func() bug {
		if single == nil {
			return "no handler: cofferdam.Handle is to be called in an init function, main is not called"
		}
		outputs, err := single(message(lifted))
		var said bug
		result, said = lowered(Result{outputs, err})
		return said
	})
	return result, failed
}

// attempts handles several messages.
func attempts(lifted []abi.Message) (results []abi.Result, failed bug) {
	failed = guarded(func() bug {
		messages := make([]*Message, len(lifted))
		for i := range lifted {
			messages[i] = message(lifted[i])
		}
		said := several(messages)
		if len(said) != len(messages) {
			return bug(fmt.Sprintf("the handler has %d results for %d messages", len(said), len(messages)))
		}
		results = make([]abi.Result, len(said))
		for i := range said {
			var bad bug
			if results[i], bad = lowered(said[i]); bad != "" {
				return bad
			}
		}
		return ""
	})
	return results, failed
}

// guarded catches panics: their stack is what the author needs to see, and the way they end a program is not what the host is
// to see. It reports them in Go's own words, which the host reads. Where the handler ended its goroutine (runtime.Goexit) there is nothing to catch, and Go itself says so and traps.
func guarded(work func() bug) (failed bug) {
	defer func() {
		if value := recover(); value != nil {
			failed = bug("panic: " + fmt.Sprint(value) + "\n\ngoroutine 1 [running]:\n" + stack())
		}
	}()
	return work()
}

// stack is where the panic was, innermost first: the handler's part of it.
func stack() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	var lines strings.Builder
	panicking := false
	for {
		frame, more := frames.Next()
		inner := frame.Function == "runtime.gopanic"
		if inner {
			lines.Reset() // of a panic in a deferred function, the first one counts
		}
		panicking = panicking || inner
		if !more || panicking && strings.Contains(frame.Function, "/sdk/go.attempt") {
			return lines.String()
		}
		if panicking && (lines.Len() > 0 || !strings.HasPrefix(frame.Function, "runtime.")) {
			fmt.Fprintf(&lines, "%s\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
		}
	}
}

// handlerName is the author's name for the handler: main.handle.
func handlerName() string {
	handler := reflect.ValueOf(single)
	if several != nil {
		handler = reflect.ValueOf(several)
	}
	return runtime.FuncForPC(handler.Pointer()).Name()
}

func message(lifted abi.Message) *Message {
	headers := make([]Header, len(lifted.Headers))
	for i, header := range lifted.Headers {
		headers[i] = Header(header)
	}
	return &Message{
		ID:         lifted.ID,
		Source:     lifted.Source,
		Position:   lifted.Position,
		Key:        lifted.Key,
		Headers:    headers,
		Attributes: lifted.Attributes,
		Payload:    lifted.Payload,
		Timestamp:  time.UnixMilli(int64(lifted.TimestampMS)).UTC(),
		Attempt:    int(lifted.Attempt),
	}
}

func lowered(said Result) (abi.Result, bug) {
	if said.Err != nil {
		return loweredError(said.Err)
	}
	outputs := make([]abi.Output, len(said.Outputs))
	for i := range said.Outputs {
		outputs[i] = loweredOutput(&said.Outputs[i])
	}
	return abi.Result{Outputs: outputs}, ""
}

func loweredOutput(output *Output) abi.Output {
	lowered := abi.Output{To: abi.Valid(output.To), Key: output.Key, Payload: output.Payload}
	if len(output.Headers) > 0 {
		lowered.Headers = make([]abi.Header, len(output.Headers))
		for i, header := range output.Headers {
			lowered.Headers[i] = abi.Header{Name: abi.Valid(header.Name), Value: header.Value}
		}
	}
	if len(output.Attributes) > 0 {
		lowered.Attributes = make([]abi.Attribute, 0, len(output.Attributes))
		for name, value := range output.Attributes {
			lowered.Attributes = append(lowered.Attributes, abi.Attribute{Name: abi.Valid(name), Value: abi.Valid(value)})
		}
		// A map has no order; what is published should not differ from one attempt to the next.
		slices.SortFunc(lowered.Attributes, func(a, b abi.Attribute) int { return strings.Compare(a.Name, b.Name) })
	}
	return lowered
}

func loweredError(err error) (abi.Result, bug) {
	var failure *Failure
	if !errors.As(err, &failure) {
		// An error has no place; by its type and text the host tells two of them apart.
		return abi.Result{}, bug(fmt.Sprintf("Uncaught %T: %v, returned by %s", err, err, handlerName()))
	}
	if failure == nil {
		return abi.Result{}, "the handler returned a *Failure that is nil: return nil itself where there is no error"
	}
	text := failure.Text
	if err != error(failure) {
		text = err.Error()
	}
	lowered := &abi.Failure{Case: byte(failure.Kind), Code: abi.Valid(failure.Code), Text: abi.Valid(text)}
	if failure.RetryAfter > 0 {
		lowered.After = true
		// Less than a millisecond is more than nothing.
		lowered.AfterMS = uint64((failure.RetryAfter + time.Millisecond - 1) / time.Millisecond)
	}
	return abi.Result{Failure: lowered}, ""
}
