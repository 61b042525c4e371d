package cofferdam

import (
	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
	"github.com/cofferdam/cofferdam/sdk/go/internal/trap"
)

//go:wasmexport cofferdam:plugin/handler@0.1.0#handle
func handleExport(address uint32) uint32 {
	var message abi.Message
	var result abi.Result
	return abi.Export(func() {
		message = abi.LiftMessage(address)
	}, func() {
		var failed bug
		if result, failed = attempt(message); failed != "" {
			trap.With(string(failed))
		}
	}, func() uint32 {
		return abi.LowerResult(result)
	})
}

//go:wasmexport cabi_realloc
//go:nosplit
func reallocExport(old, oldSize, align, size uint32) uint32 {
	return abi.Reallocate(old, oldSize, align, size)
}
