// Package http makes requests to other hosts, where they were granted: `capabilities = { http = ["api.example.com"] }`.
//
//	answer, err := http.Get("https://api.example.com/rates?base=EUR").Header("accept", "application/json").Send()
//
// The handler waits for the answer within its wall time. What a request did at the other host stays done when the handler fails
// afterwards, and the same message may come again: give the request a key by which the host recognises a repeat, for example the
// message's ID. A redirect is an answer like any other.
//
// All errors are failures that a handler can return as they are: permanent CAPABILITY_DENIED where it was not granted, permanent
// VALIDATION_ERROR where it cannot be sent, retryable TIMEOUT and SERVICE_UNAVAILABLE for the rest, and retryable INVALID_RESPONSE for
// a body that is not the JSON expected. errors.Is tells them apart.
package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
)

var (
	// ErrDenied says that host, port or method were not granted, or that the host's name leads to an address that was not.
	ErrDenied = errors.New("the request was not granted")
	// ErrInvalid says that this is no request: its url, a header, or its size.
	ErrInvalid = errors.New("the request cannot be sent")
	// ErrTimeout says that the host did not answer in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrUnavailable says that the host cannot be reached, failed too often, or broke off.
	ErrUnavailable = errors.New("the host is not available")
	// ErrInvalidResponse says that the body of an answer is not the JSON expected.
	ErrInvalidResponse = errors.New("the body is not the JSON expected")
)

// Header is one header of a request or an answer.
type Header struct {
	Name  string
	Value []byte
}

// Request is a request to be sent.
type Request struct {
	// Method is in capitals.
	Method string
	// URL is http:// or https://, host, path and query.
	URL string
	// Headers are sent in this order; names may repeat.
	Headers []Header
	// Body is not sent where it is empty.
	Body []byte
}

// Response is an answer.
type Response struct {
	// Status is 200 and so on; no status is an error here.
	Status int
	// Headers have names in lower case; they may repeat.
	Headers []Header
	// Body is all of it.
	Body []byte

	// url is what was asked for.
	url string
}

// Get begins a request with GET.
func Get(url string) *Request { return New("GET", url) }

// Post begins a request with POST.
func Post(url string, body []byte) *Request {
	request := New("POST", url)
	request.Body = body
	return request
}

// New begins a request with any method.
func New(method, url string) *Request { return &Request{Method: method, URL: url} }

// Header adds a header, and returns the request.
func (r *Request) Header(name, value string) *Request {
	r.Headers = append(r.Headers, Header{name, []byte(value)})
	return r
}

// Send sends it and waits for all of the answer.
func (r *Request) Send() (*Response, error) {
	answer, err := send(r)
	if err != nil || answer == nil {
		return answer, err
	}
	whose := *answer // a test may give the same to several
	whose.url = r.URL
	return &whose, nil
}

// Header is the value of the first header of that name, letter case aside; empty where there is none.
func (r *Response) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return string(header.Value)
		}
	}
	return ""
}

// JSON reads the body into what value points to, as json.Unmarshal does. A body that is no JSON or not of that shape is retryable
// INVALID_RESPONSE, because a service that fails often answers with a page; the text names host, status and reason.
func (r *Response) JSON(value any) error {
	if !utf8.Valid(r.Body) {
		// encoding/json would read U+FFFD instead.
		return r.invalid(errors.New("it is not UTF-8"))
	}
	err := json.Unmarshal(r.Body, value)
	var wrong *json.InvalidUnmarshalError
	if err == nil || errors.As(err, &wrong) {
		return err // the handler's fault, not the answer's
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		err = fmt.Errorf("after %d bytes: %w", syntax.Offset, err)
	}
	return r.invalid(err)
}

func (r *Response) invalid(why error) error {
	whose := "the answer"
	if host := hostOf(r.url); host != "" {
		whose += " of " + host
	}
	return cofferdam.Retryablef("INVALID_RESPONSE", "%s with status %d: %w: %w", whose, r.Status, ErrInvalidResponse, why)
}

// Denied, Invalid, Timeout and Unavailable make the errors; a test's answer returns them.

// Denied is ErrDenied as a failure.
func Denied() error { return cofferdam.Permanent("CAPABILITY_DENIED", ErrDenied) }

// Invalid is ErrInvalid as a failure, with a text.
func Invalid(text string) error { return cofferdam.Validationf("%w: %s", ErrInvalid, text) }

// Timeout is ErrTimeout as a failure.
func Timeout() error { return cofferdam.Retryable("TIMEOUT", ErrTimeout) }

// Unavailable is ErrUnavailable as a failure, with a text.
func Unavailable(text string) error {
	return cofferdam.Retryablef("SERVICE_UNAVAILABLE", "%w: %s", ErrUnavailable, text)
}
