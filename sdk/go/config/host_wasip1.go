package config

import (
	"runtime"

	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

// get: func(key: string) -> result<option<string>, error>
//
//go:wasmimport wasi:config/store@0.2.0-rc.1 get
func hostGet(key, keyLength, result uint32)

// get-all: func() -> result<list<tuple<string, string>>, error>
//
//go:wasmimport wasi:config/store@0.2.0-rc.1 get-all
func hostAll(result uint32)

func get(name string) (value string, found bool, err error) {
	name = abi.Valid(name)
	abi.ImportAnswer(func() {
		result := abi.Area(abi.SizeConfig)
		key, length := abi.Text(name)
		hostGet(key, length, result)
		runtime.KeepAlive(name)
		var failed *abi.Failed
		if value, found, failed = abi.LiftConfigGet(result); failed != nil {
			err = unavailable(failed.Text)
		}
	})
	return value, found, err
}

func all() (values map[string]string, err error) {
	abi.ImportAnswer(func() {
		result := abi.Area(abi.SizeConfig)
		hostAll(result)
		var failed *abi.Failed
		if values, failed = abi.LiftConfigAll(result); failed != nil {
			err = unavailable(failed.Text)
		}
	})
	return values, err
}
