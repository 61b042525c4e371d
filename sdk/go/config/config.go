// Package config reads the plugin's own config and secrets of the configuration file, as strings.
package config

import cofferdam "github.com/cofferdam/cofferdam/sdk/go"

// Get is the value of the name; false where the configuration has no such key, or could not be read.
func Get(name string) (string, bool) {
	value, found, err := get(name)
	return value, found && err == nil
}

// Require is the value of the name. Where there is none the error is deferred CONFIGURATION_MISSING: nothing is wrong with the
// message, so it waits for somebody to mend the configuration rather than being filed as dead.
func Require(name string) (string, error) {
	value, found, err := get(name)
	if err != nil {
		return "", err
	}
	if !found {
		return "", cofferdam.Deferredf("CONFIGURATION_MISSING", "the plugin's config has no %q", name)
	}
	return value, nil
}

// All is all keys with their values.
func All() (map[string]string, error) { return all() }

// unavailable is why the host could not read its configuration.
func unavailable(text string) error {
	return cofferdam.Deferredf("CONFIGURATION_UNAVAILABLE", "%s", text)
}
