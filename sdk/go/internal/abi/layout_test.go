package abi

import "testing"

// kind is a type of the contract: what it takes in memory.
type kind struct{ size, align uint32 }

var (
	byteKind  = kind{1, 1} // bool, u8, enum
	u16Kind   = kind{2, 2}
	u32Kind   = kind{4, 4} // also own<_>
	u64Kind   = kind{8, 8}
	listKind  = kind{8, 4} // also string
	nothing   = kind{0, 1}
	pairKind  = record(listKind, listKind)
	bytesKind = option(listKind)
)

func up(at, align uint32) uint32 { return (at + align - 1) / align * align }

// places are the offsets of the fields of a record.
func places(fields ...kind) (offsets []uint32, whole kind) {
	at, align := uint32(0), uint32(1)
	for _, field := range fields {
		at = up(at, field.align)
		offsets = append(offsets, at)
		at += field.size
		align = max(align, field.align)
	}
	return offsets, kind{up(at, align), align}
}

func record(fields ...kind) kind {
	_, whole := places(fields...)
	return whole
}

// variant is the type, and the offset of what a case carries.
func variant(cases ...kind) (whole kind, payload uint32) {
	widest := nothing
	for _, one := range cases {
		widest = kind{max(widest.size, one.size), max(widest.align, one.align)}
	}
	payload = up(1, widest.align)
	return kind{up(payload+widest.size, widest.align), widest.align}, payload
}

func option(some kind) kind {
	whole, _ := variant(nothing, some)
	return whole
}

func result(ok, err kind) (kind, uint32) { return variant(ok, err) }

func TestTheLayoutIsThatOfTheCanonicalABI(t *testing.T) {
	same := func(what string, got uint32, expected uint32) {
		t.Helper()
		if got != expected {
			t.Errorf("%s is %d, and should be %d", what, got, expected)
		}
	}
	fields := func(what string, expected []uint32, got ...uint32) {
		t.Helper()
		for i := range expected {
			same(what, got[i], expected[i])
		}
		same(what, uint32(len(got)), uint32(len(expected)))
	}

	_, payload := variant(nothing, listKind)
	same("option of a list", optionList, payload)
	same("option of a list", sizeOptionList, bytesKind.size)
	offsets, whole := places(listKind, listKind)
	fields("pair", offsets, pairName, pairValue)
	same("pair", sizePair, whole.size)

	offsets, whole = places(listKind, listKind, listKind, bytesKind, listKind, listKind, bytesKind, u64Kind, u32Kind)
	fields("message", offsets, messageID, messageSource, messagePosition, messageKey, messageHeaders, messageAttributes, messagePayload,
		messageTimestamp, messageAttempt)
	same("message", sizeMessage, whole.size)

	offsets, whole = places(listKind, bytesKind, listKind, listKind, bytesKind)
	fields("output", offsets, outputTo, outputKey, outputHeaders, outputAttributes, outputPayload)
	same("output", sizeOutput, whole.size)

	offsets, fault := places(listKind, listKind, option(u64Kind))
	fields("fault", offsets, faultCode, faultText, faultAfter)
	_, payload = variant(nothing, u64Kind)
	same("option of a number", optionU64, payload)
	failure, payload := variant(fault, fault, fault)
	same("failure", failureFault, payload)
	whole, payload = result(listKind, failure)
	same("result", resultValue, payload)
	same("result", sizeResult, whole.size)

	configError, payload := variant(listKind, listKind)
	same("config.error", configText, payload)
	whole, payload = result(bytesKind, configError)
	same("config.get", configValue, payload)
	same("config.get", SizeConfig, whole.size)
	whole, payload = result(listKind, configError)
	same("config.get-all", configValue, payload)
	same("config.get-all", SizeConfig, whole.size)

	storeError, payload := variant(nothing, nothing, listKind)
	same("keyvalue.error", storeText, payload)
	for _, ok := range []kind{nothing, u32Kind, byteKind, bytesKind} {
		whole, payload = result(ok, storeError)
		same("a result of the store", storeValue, payload)
		same("a result of the store", SizeStore, whole.size)
	}
	offsets, keys := places(listKind, bytesKind)
	fields("key-response", offsets, keysKeys, keysCursor)
	whole, payload = result(keys, storeError)
	same("list-keys", storeValue, payload)
	same("list-keys", SizeKeys, whole.size)
	whole, payload = result(u64Kind, storeError)
	same("increment", sumValue, payload)
	same("increment", SizeSum, whole.size)
	casError, payload := variant(storeError, u32Kind)
	same("cas-error", swapValue, payload)
	whole, payload = result(nothing, casError)
	same("swap", swapError, payload)
	same("swap", SizeSwap, whole.size)

	headerError, _ := variant(nothing, nothing, nothing)
	for _, err := range []kind{nothing, headerError} {
		whole, payload = result(u32Kind, err)
		same("a result with a handle", ownedValue, payload)
		same("a result with a handle", SizeOwned, whole.size)
	}
	fieldSize := record(option(listKind), option(u32Kind))
	errorCode, _ := variant(record(option(listKind), option(u16Kind)), record(option(byteKind), option(listKind)), option(u64Kind),
		option(u32Kind), option(fieldSize), fieldSize, option(listKind))
	for _, ok := range []kind{nothing, u32Kind} {
		whole, payload = result(ok, errorCode)
		same("a result with a code", codedValue, payload)
		same("a result with a code", SizeCoded, whole.size)
	}
	whole, payload = variant(nothing, errorCode)
	same("http-error-code", codedValue, payload)
	same("http-error-code", SizeCode, whole.size)
	inner, innermost := result(u32Kind, errorCode)
	outer, middle := result(inner, nothing)
	whole, outermost := variant(nothing, outer)
	fields("future.get", []uint32{outermost, outermost + middle, outermost + middle + innermost}, answerResult, answerInner, answerValue)
	same("future.get", SizeAnswer, whole.size)
	streamError, payload := variant(u32Kind, nothing)
	same("stream-error", streamOwned, payload)
	for _, ok := range []kind{listKind, nothing} {
		whole, payload = result(ok, streamError)
		same("a result of a stream", streamValue, payload)
		same("a result of a stream", SizeStream, whole.size)
	}
}
