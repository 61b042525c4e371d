// Package link is what package batch has of package cofferdam beside what authors see.
package link

import "github.com/cofferdam/cofferdam/sdk/go/internal/abi"

var (
	// Register takes a cofferdam.BatchHandler.
	Register func(handler any)
	// Attempts handles several messages. failed is not empty where the attempt is to end with a trap.
	Attempts func(messages []abi.Message) (results []abi.Result, failed string)
)
