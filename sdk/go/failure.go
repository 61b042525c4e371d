package cofferdam

import (
	"errors"
	"fmt"
	"time"
)

// To ask of an error what the host will do about it: errors.Is(err, cofferdam.ErrPermanent).
var (
	// ErrRetryable is any failure that is worth another attempt.
	ErrRetryable = errors.New("retryable")
	// ErrPermanent is any failure that no attempt can mend.
	ErrPermanent = errors.New("permanent")
	// ErrDeferred is any failure of a message whose time has not come.
	ErrDeferred = errors.New("deferred")
)

// ValidationError is the code for messages that are not what the handler takes.
const ValidationError = "VALIDATION_ERROR"

// Kind is what the host is to do about a message that was not handled.
type Kind int

const (
	// KindRetryable waits by the route's retry policy and tries again; dead letter when the attempts are used up.
	KindRetryable Kind = iota
	// KindPermanent is a dead letter at once.
	KindPermanent
	// KindDeferred waits as asked without counting an attempt, until the message is older than the route's max_age.
	KindDeferred
)

// Failure is why a message was not handled. Nothing of the handler's outputs is published.
//
// It may be wrapped: errors.As finds it, and the host gets the text of the whole error then.
type Failure struct {
	Kind Kind
	// Code is for machines: 1 to 64 of A-Z, 0-9 and _; the host replaces anything else by INVALID_CODE.
	Code string
	// Text is for people; the host cuts it after 4 KiB. It appears in logs and dead letters: no secrets here.
	Text string
	// RetryAfter is a wish, of whole milliseconds, that the host clamps to the route's policy; 0 and less leave it to that.
	RetryAfter time.Duration

	cause error
}

// Retryable makes a failure of an error that is worth another attempt: a service was away, a limit was reached.
func Retryable(code string, err error) *Failure { return failure(KindRetryable, code, err) }

// Retryablef is [Retryable] with a text as of fmt.Errorf.
func Retryablef(code, format string, args ...any) *Failure {
	return failure(KindRetryable, code, fmt.Errorf(format, args...))
}

// Permanent makes a failure of an error that is the message's own: no attempt will ever succeed.
func Permanent(code string, err error) *Failure { return failure(KindPermanent, code, err) }

// Permanentf is [Permanent] with a text as of fmt.Errorf.
func Permanentf(code, format string, args ...any) *Failure {
	return failure(KindPermanent, code, fmt.Errorf(format, args...))
}

// Deferred makes a failure of an error that says that the message is in order, but its time has not come.
func Deferred(code string, err error) *Failure { return failure(KindDeferred, code, err) }

// Deferredf is [Deferred] with a text as of fmt.Errorf.
func Deferredf(code, format string, args ...any) *Failure {
	return failure(KindDeferred, code, fmt.Errorf(format, args...))
}

// Validation is permanent, [ValidationError]: the message is not what the handler takes.
func Validation(err error) *Failure { return Permanent(ValidationError, err) }

// Validationf is [Validation] with a text as of fmt.Errorf.
func Validationf(format string, args ...any) *Failure { return Validation(fmt.Errorf(format, args...)) }

// After asks for a delay before the next attempt, and returns the failure.
func (f *Failure) After(delay time.Duration) *Failure {
	f.RetryAfter = delay
	return f
}

// Error is code and text.
func (f *Failure) Error() string { return f.Code + ": " + f.Text }

// Unwrap is the error that the failure was made of.
func (f *Failure) Unwrap() error { return f.cause }

// Is says that a failure is ErrRetryable, ErrPermanent or ErrDeferred.
func (f *Failure) Is(target error) bool {
	switch f.Kind {
	case KindRetryable:
		return target == ErrRetryable
	case KindPermanent:
		return target == ErrPermanent
	default:
		return target == ErrDeferred
	}
}

// HasValidCode says whether the host will take the code as it is.
func (f *Failure) HasValidCode() bool {
	for _, character := range []byte(f.Code) {
		if !(character >= 'A' && character <= 'Z' || character >= '0' && character <= '9' || character == '_') {
			return false
		}
	}
	return len(f.Code) >= 1 && len(f.Code) <= 64
}

func failure(kind Kind, code string, err error) *Failure {
	if err == nil {
		// A failure is never nil: returned as an error, a nil *Failure would be one that is not.
		err = errors.New("no reason was given")
	}
	return &Failure{Kind: kind, Code: code, Text: err.Error(), cause: err}
}
