package http_test

import (
	"errors"
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
