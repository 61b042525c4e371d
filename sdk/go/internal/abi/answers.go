package abi

// The answers of the host's functions. Each function copies what it returns.

// Failed is why a function of the host did not succeed: the case of its error, and the text where it has one.
type Failed struct {
	Case byte
	Text string
}

// LiftConfigGet lifts a result<option<string>, error>.
func LiftConfigGet(address uint32) (value string, found bool, failed *Failed) {
	if u8(address) != 0 {
		return "", false, liftConfigError(address + configValue)
	}
	if u8(address+configValue) == 0 {
		return "", false, nil
	}
	return liftString(address + configValue + optionList), true, nil
}

// LiftConfigAll lifts a result<list<tuple<string, string>>, error>.
func LiftConfigAll(address uint32) (values map[string]string, failed *Failed) {
	if u8(address) != 0 {
		return nil, liftConfigError(address + configValue)
	}
	elements(address+configValue, sizePair, func(count int) {
		values = make(map[string]string, count)
	}, func(pair uint32) {
		values[liftString(pair+pairName)] = liftString(pair + pairValue)
	})
	return values, nil
}

func liftConfigError(address uint32) *Failed {
	return &Failed{u8(address), liftString(address + configText)}
}

// LiftStore lifts a result<_, error> of the key-value store.
func LiftStore(address uint32) *Failed {
	if u8(address) == 0 {
		return nil
	}
	return liftStoreError(address + storeValue)
}

// LiftStoreOwned lifts a result<own<_>, error>.
func LiftStoreOwned(address uint32) (handle uint32, failed *Failed) {
	if failed := LiftStore(address); failed != nil {
		return 0, failed
	}
	return u32(address + storeValue), nil
}

// LiftStoreBool lifts a result<bool, error>.
func LiftStoreBool(address uint32) (value bool, failed *Failed) {
	if failed := LiftStore(address); failed != nil {
		return false, failed
	}
	return u8(address+storeValue) != 0, nil
}

// LiftStoreValue lifts a result<option<list<u8>>, error>; none is nil.
func LiftStoreValue(address uint32) (value []byte, failed *Failed) {
	if failed := LiftStore(address); failed != nil {
		return nil, failed
	}
	return liftOptionBytes(address + storeValue), nil
}

// LiftStoreKeys lifts a result<key-response, error>; the cursor is nil after the last page.
func LiftStoreKeys(address uint32) (keys []string, cursor []byte, failed *Failed) {
	if failed := LiftStore(address); failed != nil {
		return nil, nil, failed
	}
	page := address + storeValue
	elements(page+keysKeys, sizeList, func(count int) {
		keys = make([]string, 0, count)
	}, func(key uint32) {
		keys = append(keys, liftString(key))
	})
	return keys, liftOptionBytes(page + keysCursor), nil
}

// LiftStoreSum lifts a result<s64, error>.
func LiftStoreSum(address uint32) (sum int64, failed *Failed) {
	if u8(address) != 0 {
		return 0, liftStoreError(address + sumValue)
	}
	return int64(u64(address + sumValue)), nil
}

// LiftSwap lifts a result<_, cas-error>. Where somebody else changed the value, newer is the handle that comes instead.
func LiftSwap(address uint32) (swapped bool, newer uint32, failed *Failed) {
	if u8(address) == 0 {
		return true, 0, nil
	}
	why := address + swapError
	if u8(why) == 0 {
		return false, 0, liftStoreError(why + swapValue)
	}
	return false, u32(why + swapValue), nil
}

func liftStoreError(address uint32) *Failed {
	failed := &Failed{Case: u8(address)}
	if failed.Case == 2 {
		failed.Text = liftString(address + storeText)
	}
	return failed
}

// LiftOwned lifts a result<own<_>, E> of which the error is not looked at.
func LiftOwned(address uint32) (handle uint32, ok bool) {
	if u8(address) != 0 {
		return 0, false
	}
	return u32(address + ownedValue), true
}

// LiftHeaderError is the case of the header-error where LiftOwned found one.
func LiftHeaderError(address uint32) byte { return u8(address + ownedValue) }

// LiftCoded lifts a result<own<_>, error-code>, or with `_` for the handle.
func LiftCoded(address uint32) (handle uint32, code byte, ok bool) {
	if u8(address) != 0 {
		return 0, u8(address + codedValue), false
	}
	return u32(address + codedValue), 0, true
}

// LiftCode lifts an option<error-code>.
func LiftCode(address uint32) (code byte, some bool) {
	return u8(address + codedValue), u8(address) != 0
}

// LiftAnswer lifts an option<result<result<own<incoming-response>, error-code>>>; there is false where the answer is not there, or
// was taken before.
func LiftAnswer(address uint32) (response uint32, code byte, ok, there bool) {
	if u8(address) == 0 || u8(address+answerResult) != 0 {
		return 0, 0, false, false
	}
	if u8(address+answerInner) != 0 {
		return 0, u8(address + answerValue), false, true
	}
	return u32(address + answerValue), 0, true, true
}

// LiftStream lifts a result<list<u8>, stream-error>, or with `_` for the bytes where read is false. failed is a handle where the
// last operation failed, and 0 where the stream is closed.
func LiftStream(address uint32, read bool) (bytes []byte, ok bool, failed uint32) {
	switch {
	case u8(address) == 0 && read:
		return liftBytes(address + streamValue), true, 0
	case u8(address) == 0:
		return nil, true, 0
	case u8(address+streamValue) == 0:
		return nil, false, u32(address + streamValue + streamOwned)
	default:
		return nil, false, 0
	}
}

// LiftEntries lifts a list<tuple<string, list<u8>>>.
func LiftEntries(address uint32) (entries []Header) {
	elements(address, sizePair, func(count int) {
		entries = make([]Header, 0, count)
	}, func(pair uint32) {
		entries = append(entries, Header{liftString(pair + pairName), liftBytes(pair + pairValue)})
	})
	return entries
}

// LowerEntries lowers a list<tuple<string, list<u8>>> as an argument, into the arena. Names are valid UTF-8.
func LowerEntries(entries []Header) (address, length uint32) {
	address = Area(uint32(len(entries)) * sizePair)
	for i, entry := range entries {
		pair := address + uint32(i)*sizePair
		putString(pair+pairName, entry.Name)
		putBytes(pair+pairValue, entry.Value)
	}
	return address, uint32(len(entries))
}
