package abi

import (
	"reflect"
	"testing"
)

// lowerMessage does what the host does.
func lowerMessage(message Message, address uint32) {
	text := func(place uint32, text string) { hostBytes(address+place, []byte(text)) }
	text(messageID, message.ID)
	text(messageSource, message.Source)
	text(messagePosition, message.Position)
	option := func(place uint32, bytes []byte) {
		put8(address+place, 0)
		if bytes != nil {
			put8(address+place, 1)
			hostBytes(address+place+optionList, bytes)
		}
	}
	option(messageKey, message.Key)
	option(messagePayload, message.Payload)
	pairs := func(place uint32, count int) uint32 {
		list := Reallocate(0, 0, 4, uint32(count)*sizePair)
		put32(address+place, list)
		put32(address+place+4, uint32(count))
		return list
	}
	pair := pairs(messageHeaders, len(message.Headers))
	for _, header := range message.Headers {
		hostBytes(pair+pairName, []byte(header.Name))
		hostBytes(pair+pairValue, header.Value)
		pair += sizePair
	}
	pair = pairs(messageAttributes, len(message.Attributes))
	for name, value := range message.Attributes {
		hostBytes(pair+pairName, []byte(name))
		hostBytes(pair+pairValue, []byte(value))
		pair += sizePair
	}
	put64(address+messageTimestamp, message.TimestampMS)
	put32(address+messageAttempt, message.Attempt)
}

func hostBytes(place uint32, bytes []byte) {
	address := Reallocate(0, 0, 1, uint32(len(bytes)))
	copy(at(address, uint32(len(bytes))), bytes)
	put32(place, address)
	put32(place+4, uint32(len(bytes)))
}

var messages = []Message{
	{
		ID: "m-1", Source: "ü", Position: "0/1", Key: []byte("k"), Payload: []byte("p"), TimestampMS: 1 << 40, Attempt: 3,
		Headers:    []Header{{"a", []byte("1")}, {"a", []byte{}}, {"b", []byte{0xff}}},
		Attributes: map[string]string{"type": "t", "subject": ""},
	},
	{ID: "tombstone without a key", Attempt: 1},
	{ID: "empty key and payload", Key: []byte{}, Payload: []byte{}, Attempt: 1},
}

func TestMessagesAreLifted(t *testing.T) {
	defer Release(Now())
	list := Area(uint32(len(messages)) * sizeMessage)
	for i, message := range messages {
		lowerMessage(message, list+uint32(i)*sizeMessage)
	}
	lifted := LiftMessages(list, uint32(len(messages)))
	if !reflect.DeepEqual(lifted, messages) {
		t.Errorf("%+v\nnot\n%+v", lifted, messages)
	}
}

func TestALiftedMessageIsACopy(t *testing.T) {
	mark := Now()
	address := Area(sizeMessage)
	lowerMessage(messages[0], address)
	lifted := LiftMessage(address)
	Release(mark)
	clear(at(Area(4096), 4096))
	if !reflect.DeepEqual(lifted, messages[0]) {
		t.Errorf("%+v", lifted)
	}
}

// liftResult does what the host does.
func liftResult(address uint32) Result {
	if u8(address) == 1 {
		fault := address + resultValue + failureFault
		failure := &Failure{Case: u8(address + resultValue), Code: liftString(fault + faultCode), Text: liftString(fault + faultText)}
		if failure.After = u8(fault+faultAfter) == 1; failure.After {
			failure.AfterMS = u64(fault + faultAfter + optionU64)
		}
		return Result{Failure: failure}
	}
	result := Result{}
	elements(address+resultValue, sizeOutput, func(int) {}, func(output uint32) {
		lifted := Output{
			To:      liftString(output + outputTo),
			Key:     liftOptionBytes(output + outputKey),
			Payload: liftOptionBytes(output + outputPayload),
			Headers: LiftEntries(output + outputHeaders),
		}
		for _, pair := range LiftEntries(output + outputAttributes) {
			lifted.Attributes = append(lifted.Attributes, Attribute{pair.Name, string(pair.Value)})
		}
		result.Outputs = append(result.Outputs, lifted)
	})
	return result
}

var results = []Result{
	{},
	{Outputs: []Output{
		{To: "a", Key: []byte("k"), Headers: []Header{{"h", []byte("1")}, {"h", []byte{}}}, Attributes: []Attribute{{"type", "t"}}, Payload: []byte("p")},
		{To: "b", Headers: []Header{}},
		{To: "c", Key: []byte{}, Headers: []Header{}, Payload: []byte{}},
	}},
	{Failure: &Failure{Case: 0, Code: "RATE_LIMITED", Text: "wait", After: true, AfterMS: 1 << 33}},
	{Failure: &Failure{Case: 1, Code: "VALIDATION_ERROR", Text: ""}},
	{Failure: &Failure{Case: 2, Code: "TOO_EARLY", Text: "ü"}},
}

func TestResultsAreLowered(t *testing.T) {
	for _, result := range results {
		if lifted := liftResult(LowerResult(result)); !reflect.DeepEqual(lifted, result) {
			t.Errorf("%+v\nnot\n%+v", lifted, result)
		}
	}
	list := LowerResults(results)
	i := 0
	elements(list, sizeResult, func(count int) {
		if count != len(results) {
			t.Fatal(count)
		}
	}, func(address uint32) {
		if lifted := liftResult(address); !reflect.DeepEqual(lifted, results[i]) {
			t.Errorf("%+v\nnot\n%+v", lifted, results[i])
		}
		i++
	})
}

func TestTheAnswerOfALargeCallIsNotKeptForEver(t *testing.T) {
	LowerResult(Result{Outputs: make([]Output, 100_000)})
	LowerResult(Result{})
	if len(answer) > 1<<13 {
		t.Errorf("%d words are kept", len(answer))
	}
}

func TestWhatIsNoUTF8IsReplaced(t *testing.T) {
	if got := Valid("a\xffb"); got != "a\uFFFDb" {
		t.Error(got)
	}
}
