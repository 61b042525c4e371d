package http

import (
	"errors"
	"testing"
)

func TestAURLIsTakenApartAsItIs(t *testing.T) {
	for url, expected := range map[string]target{
		"https://a.example":         {"https", "a.example", "/"},
		"HTTP://a.example:80/b?c=d": {"http", "a.example:80", "/b?c=d"},
		"http://a?b=c/d#e":          {"http", "a", "/?b=c/d"},
		"http://[::1]:8080/%20/#":   {"http", "[::1]:8080", "/%20/"},
	} {
		if got, err := parse(url); got != expected || err != nil {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	for _, url := range []string{"", "nonsense", "://a", "http://", "http:///a", "http://a/ b", "http://a/\n", "http://#a"} {
		if got, err := parse(url); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %+v, %v", url, got, err)
		}
	}
}

func TestCodesOfTheHostAreTheErrorsTheyMean(t *testing.T) {
	for code, expected := range map[byte]error{
		0: ErrTimeout, 1: ErrUnavailable, 4: ErrDenied, 6: ErrUnavailable, 8: ErrTimeout, 15: ErrDenied, 17: ErrInvalid, 19: ErrInvalid,
		33: ErrTimeout, 38: ErrUnavailable, 99: ErrUnavailable,
	} {
		if err := failed(code); !errors.Is(err, expected) {
			t.Errorf("%d is %v", code, err)
		}
	}
}

func TestWhatIsNotKnownByNumberIsOther(t *testing.T) {
	if number(methods[:], "PATCH") != 8 || number(methods[:], "PURGE") != 9 || number(schemes[:], "https") != 1 {
		t.Error("a number")
	}
}

func TestTheHostOfAURLIsWithoutUserAndPort(t *testing.T) {
	for url, host := range map[string]string{
		"https://api.example.com/a?b": "api.example.com", "http://u:p@a:80": "a", "http://[::1]:80/": "[::1]", "http://[::1]": "[::1]", "nonsense": "", "": "",
	} {
		if hostOf(url) != host {
			t.Errorf("%s: %s", url, hostOf(url))
		}
	}
}
