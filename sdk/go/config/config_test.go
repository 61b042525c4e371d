package config_test

import (
	"errors"
	"strings"
	"testing"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
	"github.com/cofferdam/cofferdam/sdk/go/config"
)

func TestAMissingValueDefersTheMessageAndIsNamed(t *testing.T) {
	cofferdamtest.NewHost(t)
	_, err := config.Require("currency")
	var failure *cofferdam.Failure
	if !errors.As(err, &failure) || failure.Kind != cofferdam.KindDeferred || failure.Code != "CONFIGURATION_MISSING" ||
		!strings.Contains(failure.Text, `"currency"`) {
		t.Error(err)
	}
	if _, found := config.Get("currency"); found {
		t.Error("there is none")
	}
}

func TestWhatATestSetsIsWhatTheHandlerReads(t *testing.T) {
	cofferdamtest.NewHost(t).Config("currency", "EUR").Config("empty", "")
	if value, err := config.Require("currency"); value != "EUR" || err != nil {
		t.Error(value, err)
	}
	if value, found := config.Get("empty"); value != "" || !found {
		t.Error(value, found)
	}
	if all, err := config.All(); len(all) != 2 || err != nil {
		t.Error(all, err)
	}
}
