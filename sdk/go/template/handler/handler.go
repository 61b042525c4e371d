// Command my-handler adds up orders: what is not an order, or has no items, is refused.
package main

import (
	"math"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

type order struct {
	Order    string `json:"order"`
	Customer string `json:"customer"`
	Items    []item `json:"items"`
}

type item struct {
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

type priced struct {
	Order    string  `json:"order"`
	Customer string  `json:"customer"`
	Total    float64 `json:"total"`
}

func init() { cofferdam.Handle(handle) }

// A plugin has no main of its own: the host calls the handler. Go wants one nevertheless.
func main() {}

// handle is called for each message. What it returns is published before the message is acknowledged.
func handle(message *cofferdam.Message) ([]cofferdam.Output, error) {
	var order order
	if err := message.JSON(&order); err != nil {
		return nil, err // what cannot be parsed is a VALIDATION_ERROR
	}
	if order.Order == "" || len(order.Items) == 0 {
		return nil, cofferdam.Validationf("order %q has no id or no items", order.Order)
	}
	total := 0.0
	for _, item := range order.Items {
		if item.Quantity < 1 {
			return nil, cofferdam.Validationf("order %q: a quantity of %d", order.Order, item.Quantity)
		}
		total += float64(item.Quantity) * item.Price
	}
	total = math.Round(total*100) / 100 // 0.1 + 0.2 is no amount of money
	log.Infof("order %s is %v", order.Order, total)
	// "out" is an output of the route in cofferdam.toml.
	output, err := cofferdam.JSON("out", priced{order.Order, order.Customer, total})
	output.Key = []byte(order.Order)
	return []cofferdam.Output{output}, err
}
