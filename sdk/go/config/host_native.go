//go:build !wasip1

package config

import (
	"maps"

	"github.com/cofferdam/cofferdam/sdk/go/internal/standin"
)

func get(name string) (string, bool, error) {
	value, found := standin.Current.Config[name]
	return value, found, nil
}

func all() (map[string]string, error) {
	values := map[string]string{}
	maps.Copy(values, standin.Current.Config)
	return values, nil
}
