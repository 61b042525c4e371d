package batch

import (
	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
	"github.com/cofferdam/cofferdam/sdk/go/internal/link"
	"github.com/cofferdam/cofferdam/sdk/go/internal/trap"
)

//go:wasmexport cofferdam:plugin/batch-handler@0.1.0#handle-batch
func handleBatchExport(address, length uint32) uint32 {
	var messages []abi.Message
	var results []abi.Result
	return abi.Export(func() {
		messages = abi.LiftMessages(address, length)
	}, func() {
		var failed string
		if results, failed = link.Attempts(messages); failed != "" {
			trap.With(failed)
		}
	}, func() uint32 {
		return abi.LowerResults(results)
	})
}
