// Command enrich adds value-added tax and shipping to orders.
package main

import (
	"strconv"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/config"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

// most is what the numbers of every language hold exactly, JavaScript's among them.
const most = 1<<53 - 1

// order has pointers, because a member that is missing is no empty text and no zero.
type order struct {
	Order    *string `json:"order"`
	Customer *string `json:"customer"`
	Country  *string `json:"country"`
	Items    []item  `json:"items"`
}

type item struct {
	SKU      *string `json:"sku"`
	Quantity *int64  `json:"quantity"`
	Cents    *int64  `json:"cents"`
}

type enriched struct {
	order
	Items      []pricedItem `json:"items"` // in place of the order's
	TotalCents int64        `json:"total_cents"`
	VATCents   int64        `json:"vat_cents"`
	Shipping   string       `json:"shipping"`
}

type pricedItem struct {
	item
	TotalCents int64 `json:"total_cents"`
}

func init() { cofferdam.Handle(handle) }

// A plugin has no main of its own: the host calls the handler. Go wants one nevertheless.
func main() {}

// handle is called for each message. What it returns is published before the message is acknowledged.
func handle(message *cofferdam.Message) ([]cofferdam.Output, error) {
	enriched, err := addedUp(message)
	if err != nil {
		return nil, err
	}

	country := "vat." + *enriched.Country
	text, known := config.Get(country)
	if !known {
		return nil, cofferdam.Permanentf("UNKNOWN_COUNTRY", "no vat rate for %s", *enriched.Country)
	}
	rate, err := number(country, text)
	if err != nil {
		return nil, err
	}
	if text, err = config.Require("free_shipping_cents"); err != nil {
		return nil, err
	}
	freeFrom, err := number("free_shipping_cents", text)
	if err != nil {
		return nil, err
	}
	enriched.VATCents = (enriched.TotalCents*rate + 50) / 100
	enriched.Shipping = "standard"
	if enriched.TotalCents >= freeFrom {
		enriched.Shipping = "free"
	}

	log.Infof("order %s: %d cents with vat", *enriched.Order, enriched.TotalCents+enriched.VATCents)
	output, err := cofferdam.JSON("enriched", enriched)
	output.Key = []byte(*enriched.Order)
	output.Headers = []cofferdam.Header{{Name: "schema", Value: []byte("order/2")}}
	return []cofferdam.Output{output}, err
}

func addedUp(message *cofferdam.Message) (*enriched, error) {
	var order order
	if err := message.JSON(&order); err != nil {
		return nil, err // what cannot be parsed is a VALIDATION_ERROR
	}
	if order.Order == nil || order.Customer == nil || order.Country == nil || len(order.Items) == 0 {
		return nil, cofferdam.Validationf("an order has an order, a customer, a country, and items, at least one")
	}
	result := &enriched{order: order}
	for _, item := range order.Items {
		if item.SKU == nil || !within(1, item.Quantity) || !within(0, item.Cents) {
			return nil, cofferdam.Validationf("an item has a sku, a quantity from 1 and cents from 0, both below 2^53")
		}
		total := int64(most + 1) // and more, which may not fit
		if *item.Cents <= most / *item.Quantity {
			total = *item.Quantity * *item.Cents
		}
		result.Items = append(result.Items, pricedItem{item, total})
		result.TotalCents = min(result.TotalCents+total, most+1)
	}
	if result.TotalCents > most {
		return nil, cofferdam.Validationf("an order is for less than 2^53 cents")
	}
	return result, nil
}

func within(least int64, number *int64) bool {
	return number != nil && least <= *number && *number <= most
}

// number reads what the configuration says. The error is deferred, because nothing is wrong with the message: it waits for somebody
// to mend the configuration.
func number(name, text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, cofferdam.Deferredf("CONFIGURATION_INVALID", "the plugin's config has no number for \"%s\"", name)
	}
	return number, nil
}
