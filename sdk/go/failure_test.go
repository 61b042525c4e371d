package cofferdam_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
)

func TestAFailureIsOfItsKindAlsoWhenItIsWrapped(t *testing.T) {
	kinds := []error{cofferdam.ErrRetryable, cofferdam.ErrPermanent, cofferdam.ErrDeferred}
	for i, failure := range []error{
		cofferdam.Retryablef("A", "a"), cofferdam.Validationf("b"), cofferdam.Deferredf("C", "c"),
	} {
		for j, kind := range kinds {
			if errors.Is(fmt.Errorf("wrapped: %w", failure), kind) != (i == j) {
				t.Errorf("%v, %v", failure, kind)
			}
		}
	}
}

func TestAFailureKeepsItsCause(t *testing.T) {
	for _, failure := range []*cofferdam.Failure{
		cofferdam.Permanent("BROKEN", io.ErrUnexpectedEOF), cofferdam.Permanentf("BROKEN", "while reading: %w", io.ErrUnexpectedEOF),
	} {
		if !errors.Is(failure, io.ErrUnexpectedEOF) {
			t.Error(failure)
		}
	}
	var failure *cofferdam.Failure
	err := fmt.Errorf("wrapped: %w", cofferdam.Retryablef("RATE_LIMITED", "%d a minute are used up", 50).After(3*time.Second))
	if !errors.As(err, &failure) || failure.Error() != "RATE_LIMITED: 50 a minute are used up" || failure.RetryAfter != 3*time.Second {
		t.Error(err)
	}
	if cofferdam.Permanent("X", nil).Text == "" {
		t.Error("no text")
	}
}

func TestACodeIsCapitalsDigitsAndUnderscoresUpTo64(t *testing.T) {
	for _, code := range []string{"A", "RATE_LIMITED", "E404", strings.Repeat("X", 64)} {
		if !cofferdam.Permanentf(code, "").HasValidCode() {
			t.Error(code)
		}
	}
	for _, code := range []string{"", "rate_limited", "NOT-FOUND", "NOT FOUND", "ÄRGER", strings.Repeat("X", 65)} {
		if cofferdam.Permanentf(code, "").HasValidCode() {
			t.Error(code)
		}
	}
}
