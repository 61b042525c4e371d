package abi

import "unsafe"

// Header is a header of a message or an output.
type Header struct {
	Name  string
	Value []byte
}

// Message is the record of the contract.
type Message struct {
	ID, Source, Position string
	Key                  []byte
	Headers              []Header
	Attributes           map[string]string
	Payload              []byte
	TimestampMS          uint64
	Attempt              uint32
}

// Output is the record of the contract. Names and attributes are valid UTF-8.
type Output struct {
	To         string
	Key        []byte
	Headers    []Header
	Attributes []Attribute
	Payload    []byte
}

// Attribute is an attribute of an output.
type Attribute struct{ Name, Value string }

// Failure is the variant of the contract, with the record in it.
type Failure struct {
	Case       byte // 0 retryable, 1 permanent, 2 deferred
	Code, Text string
	After      bool
	AfterMS    uint64
}

// Result is how one message ended: with Failure, or where that is nil with Outputs.
type Result struct {
	Outputs []Output
	Failure *Failure
}

// LiftMessage copies a message.
func LiftMessage(address uint32) Message {
	message := Message{
		ID:          liftString(address + messageID),
		Source:      liftString(address + messageSource),
		Position:    liftString(address + messagePosition),
		Key:         liftOptionBytes(address + messageKey),
		Payload:     liftOptionBytes(address + messagePayload),
		TimestampMS: u64(address + messageTimestamp),
		Attempt:     u32(address + messageAttempt),
	}
	elements(address+messageHeaders, sizePair, func(count int) {
		if count > 0 {
			message.Headers = make([]Header, 0, count)
		}
	}, func(pair uint32) {
		message.Headers = append(message.Headers, Header{liftString(pair + pairName), liftBytes(pair + pairValue)})
	})
	elements(address+messageAttributes, sizePair, func(count int) {
		if count > 0 {
			message.Attributes = make(map[string]string, count)
		}
	}, func(pair uint32) {
		message.Attributes[liftString(pair+pairName)] = liftString(pair + pairValue)
	})
	return message
}

// LiftMessages copies a list of messages.
func LiftMessages(address, length uint32) []Message {
	messages := make([]Message, length)
	for i := range messages {
		messages[i] = LiftMessage(address + uint32(i)*sizeMessage)
	}
	return messages
}

// answer is what the last call returned, and said what that refers to: the host reads both after the call.
var (
	answer []uint64
	said   []Result
)

// LowerResult lowers the result of `handle`. It is valid until the next call.
func LowerResult(result Result) uint32 {
	said = append(said[:0], result)
	space := newSpace(sizeResult + room(result))
	address := space.take(sizeResult)
	space.put(address, &said[0])
	return address
}

// LowerResults lowers the results of `handle-batch`. They are valid until the next call.
func LowerResults(results []Result) uint32 {
	said = results
	needed := uint32(sizeList) + uint32(len(results))*sizeResult
	for _, result := range results {
		needed += room(result)
	}
	space := newSpace(needed)
	address := space.take(sizeList)
	list := space.take(uint32(len(results)) * sizeResult)
	put32(address, list)
	put32(address+4, uint32(len(results)))
	for i := range results {
		space.put(list+uint32(i)*sizeResult, &results[i])
	}
	return address
}

// Forget lets go of what the last call returned.
func Forget() {
	clear(said)
	said = said[:0]
}

// room is what the lists of a result take.
func room(result Result) uint32 {
	needed := len(result.Outputs) * sizeOutput
	for i := range result.Outputs {
		needed += (len(result.Outputs[i].Headers) + len(result.Outputs[i].Attributes)) * sizePair
	}
	return uint32(needed)
}

// space hands out memory of the answer from its beginning. All sizes are multiples of 8, and so are the addresses.
type space struct{ next uint32 }

func newSpace(size uint32) *space {
	// Twice the size, so that few calls need more than the one before; and what one call needed is not kept for ever.
	if words := int(size+7) / 8; len(answer) < words || len(answer) > 1<<13 {
		answer = make([]uint64, max(2*words, 1<<6))
	}
	return &space{addressOf(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(answer))), 8*len(answer)))}
}

func (s *space) take(size uint32) uint32 {
	address := s.next
	s.next += size
	return address
}

func (s *space) put(address uint32, result *Result) {
	if result.Failure != nil {
		put8(address, 1)
		putFailure(address+resultValue, result.Failure)
		return
	}
	put8(address, 0)
	list := s.take(uint32(len(result.Outputs)) * sizeOutput)
	put32(address+resultValue, list)
	put32(address+resultValue+4, uint32(len(result.Outputs)))
	for i := range result.Outputs {
		s.putOutput(list+uint32(i)*sizeOutput, &result.Outputs[i])
	}
}

func (s *space) putOutput(address uint32, output *Output) {
	putString(address+outputTo, output.To)
	putOptionBytes(address+outputKey, output.Key)
	putOptionBytes(address+outputPayload, output.Payload)
	pair := s.take(uint32(len(output.Headers)+len(output.Attributes)) * sizePair)
	put32(address+outputHeaders, pair)
	put32(address+outputHeaders+4, uint32(len(output.Headers)))
	for _, header := range output.Headers {
		putString(pair+pairName, header.Name)
		putBytes(pair+pairValue, header.Value)
		pair += sizePair
	}
	put32(address+outputAttributes, pair)
	put32(address+outputAttributes+4, uint32(len(output.Attributes)))
	for _, attribute := range output.Attributes {
		putString(pair+pairName, attribute.Name)
		putString(pair+pairValue, attribute.Value)
		pair += sizePair
	}
}

func putFailure(address uint32, failure *Failure) {
	put8(address, failure.Case)
	fault := address + failureFault
	putString(fault+faultCode, failure.Code)
	putString(fault+faultText, failure.Text)
	if !failure.After {
		put8(fault+faultAfter, 0)
		return
	}
	put8(fault+faultAfter, 1)
	put64(fault+faultAfter+optionU64, failure.AfterMS)
}
