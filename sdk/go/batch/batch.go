// Package batch makes a plugin that takes several messages at once, where that is quicker: one query for all, one lock.
//
//	func init() { batch.Handle(handle) }
//
//	func handle(messages []*cofferdam.Message) []cofferdam.Result
//
// It is given whatever is waiting, up to the plugin's `batch` in the configuration, and often one. There is a result for each
// message, in their order; one that failed fails none of the others. After a bug or a broken limit each message of the call comes
// again alone. Importing the package is what tells the host of it.
package batch

import (
	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/internal/link"
)

// Handle makes a plugin of the function. Call it once, in an init function, and not beside cofferdam.Handle.
func Handle(handler cofferdam.BatchHandler) { link.Register(handler) }
