// Package http makes requests to other hosts, where they were granted: `capabilities = { http = ["api.example.com"] }`.
//
//	answer, err := http.Get("https://api.example.com/rates?base=EUR").Header("accept", "application/json").Send()
//
// The handler waits for the answer within its wall time. What a request did at the other host stays done when the handler fails
// afterwards, and the same message may come again: give the request a key by which the host recognises a repeat, for example the
// message's ID. A redirect is an answer like any other.
//
// All errors are failures that a handler can return as they are: permanent CAPABILITY_DENIED where it was not granted, permanent
// VALIDATION_ERROR where it cannot be sent, retryable TIMEOUT and SERVICE_UNAVAILABLE for the rest. errors.Is tells them apart.
package http

import (
	"encoding/json"
	"errors"
	"strings"

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
func (r *Request) Send() (*Response, error) { return send(r) }

// Header is the value of the first header of that name, letter case aside; empty where there is none.
func (r *Response) Header(name string) string {
	for _, header := range r.Headers {
		if strings.EqualFold(header.Name, name) {
			return string(header.Value)
		}
	}
	return ""
}

// JSON reads the body into what value points to.
func (r *Response) JSON(value any) error { return json.Unmarshal(r.Body, value) }

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
