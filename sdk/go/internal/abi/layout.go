package abi

// Where things are in memory by the canonical ABI of the component model: records field after field, each at a multiple of its
// own alignment; variants, options and results as a discriminant of one byte and the payload of the case, at a multiple of
// the alignment that the widest case needs. layout_test.go computes all of it from the types.
const (
	// string, list<T>: address u32, length u32
	sizeList = 8
	// option<string>, option<list<u8>>: discriminant, list
	optionList     = 4
	sizeOptionList = 12

	// record header { name: string, value: list<u8> }; tuple<string, string>; tuple<string, list<u8>>
	pairName, pairValue = 0, 8
	sizePair            = 16

	// record message
	messageID         = 0  // string
	messageSource     = 8  // string
	messagePosition   = 16 // string
	messageKey        = 24 // option<list<u8>>
	messageHeaders    = 36 // list<header>
	messageAttributes = 44 // list<tuple<string, string>>
	messagePayload    = 52 // option<list<u8>>
	messageTimestamp  = 64 // u64
	messageAttempt    = 72 // u32
	sizeMessage       = 80

	// record output
	outputTo         = 0  // string
	outputKey        = 8  // option<list<u8>>
	outputHeaders    = 20 // list<header>
	outputAttributes = 28 // list<tuple<string, string>>
	outputPayload    = 36 // option<list<u8>>
	sizeOutput       = 48

	// variant failure { retryable(fault), permanent(fault), deferred(fault) }
	// record fault { code: string, text: string, retry-after-ms: option<u64> }
	failureFault = 8
	faultCode    = 0  // string
	faultText    = 8  // string
	faultAfter   = 16 // option<u64>
	optionU64    = 8

	// result<list<output>, failure>
	resultValue = 8
	sizeResult  = 48

	// result<option<string>, config.error>, result<list<tuple<string, string>>, config.error>
	// variant config.error { upstream(string), io(string) }
	configValue = 4
	configText  = 4 // of the error
	sizeConfigE = 12
	SizeConfig  = 16

	// variant keyvalue.error { no-such-store, access-denied, other(string) }
	storeText  = 4
	sizeStoreE = 12
	// result<_ | own<_> | bool | option<list<u8>>, keyvalue.error>
	storeValue = 4
	SizeStore  = 16
	// result<key-response, keyvalue.error>; record key-response { keys: list<string>, cursor: option<string> }
	keysKeys, keysCursor = 0, 8
	SizeKeys             = 24
	// result<s64, keyvalue.error>
	sumValue = 8
	SizeSum  = 24
	// result<_, cas-error>; variant cas-error { store-error(error), cas-failed(own<cas>) }
	swapError = 4
	swapValue = 4 // of the error
	SizeSwap  = 20

	// result<own<_>>, result<own<fields>, header-error>
	ownedValue = 4
	SizeOwned  = 8
	// variant error-code, of wasi:http/types: the payloads are not looked at
	sizeErrorCode = 32
	// result<own<_> | _, error-code>
	codedValue = 8
	SizeCoded  = 40
	// option<error-code>
	SizeCode = 40
	// option<result<result<own<incoming-response>, error-code>>>
	answerResult = 8
	answerInner  = 16
	answerValue  = 24
	SizeAnswer   = 56
	// result<list<u8> | _, stream-error>; variant stream-error { last-operation-failed(own<error>), closed }
	streamValue = 4
	streamOwned = 4 // of the error
	SizeStream  = 12
)
