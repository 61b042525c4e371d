package http_test

import (
	"errors"
	"strings"
	"testing"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
	"github.com/cofferdam/cofferdam/sdk/go/http"
)

func TestARequestIsAnsweredByTheTest(t *testing.T) {
	cofferdamtest.NewHost(t).AnswerHTTP(func(request *http.Request) (*http.Response, error) {
		if request.Method != "POST" || request.URL != "https://api.example.com/rates" || string(request.Body) != "{}" ||
			string(request.Headers[0].Value) != "application/json" {
			t.Errorf("%+v", request)
		}
		return &http.Response{Status: 404, Headers: []http.Header{{Name: "x-a", Value: []byte("1")}}, Body: []byte(`{"a":1}`)}, nil
	})
	answer, err := http.Post("https://api.example.com/rates", []byte("{}")).Header("accept", "application/json").Send()
	if err != nil || answer.Status != 404 || answer.Header("X-A") != "1" || answer.Header("x-b") != "" {
		t.Fatal(answer, err)
	}
	var body struct{ A int }
	if err := answer.JSON(&body); err != nil || body.A != 1 {
		t.Error(body, err)
	}
}

func TestWithoutAGrantARequestIsDenied(t *testing.T) {
	cofferdamtest.NewHost(t)
	_, err := http.Get("https://api.example.com").Send()
	var failure *cofferdam.Failure
	if !errors.Is(err, http.ErrDenied) || !errors.As(err, &failure) || failure.Code != "CAPABILITY_DENIED" {
		t.Error(err)
	}
}

func TestErrorsAreFailuresOfTheirKind(t *testing.T) {
	for kind, errs := range map[error][]error{
		cofferdam.ErrPermanent: {http.Denied(), http.Invalid("a")},
		cofferdam.ErrRetryable: {http.Timeout(), http.Unavailable("b")},
	} {
		for _, err := range errs {
			if !errors.Is(err, kind) {
				t.Error(err)
			}
		}
	}
}

func TestAnAnswerThatIsNotTheJSONExpectedIsAFailureAndNamesItsHost(t *testing.T) {
	for body, why := range map[string]string{
		"<html>":    "after 1 bytes: invalid character '<'",
		"":          "unexpected end of JSON input",
		`{"a":"b"}`: "cannot unmarshal string",
		"\"\xff\"":  "it is not UTF-8",
	} {
		given := &http.Response{Status: 502, Body: []byte(body)}
		cofferdamtest.NewHost(t).AnswerHTTP(func(*http.Request) (*http.Response, error) { return given, nil })
		answer, err := http.Get("https://api.example.com:8443/rates?key=secret").Send()
		if err != nil {
			t.Fatal(err)
		}
		var failure *cofferdam.Failure
		err = answer.JSON(&struct{ A int }{})
		if !errors.As(err, &failure) || failure.Kind != cofferdam.KindRetryable || failure.Code != "INVALID_RESPONSE" ||
			!errors.Is(err, http.ErrInvalidResponse) {
			t.Fatalf("%q: %v", body, err)
		}
		if !strings.HasPrefix(failure.Text, "the answer of api.example.com with status 502: the body is not the JSON expected: ") || !strings.Contains(failure.Text, why) {
			t.Error(failure.Text)
		}
		if err := given.JSON(&struct{ A int }{}); !strings.Contains(err.Error(), "the answer with status 502") {
			t.Error(err)
		}
	}
	// A value that nothing can be read into is a bug.
	var failure *cofferdam.Failure
	if err := (&http.Response{Body: []byte("1")}).JSON(nil); err == nil || errors.As(err, &failure) {
		t.Error(err)
	}
}
