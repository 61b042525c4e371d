package http

import "strings"

// target is what a url is to the host's functions.
type target struct{ scheme, authority, path string }

// parse takes a url apart, without changing what is asked for.
func parse(url string) (target, error) {
	for _, character := range []byte(url) {
		if character <= ' ' || character == 0x7f {
			return target{}, Invalid("the url has a space or a control character")
		}
	}
	scheme, rest, found := strings.Cut(url, "://")
	if !found || scheme == "" {
		return target{}, Invalid("the url has no scheme")
	}
	rest, _, _ = strings.Cut(rest, "#")
	authority, path := rest, ""
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority, path = rest[:end], rest[end:]
	}
	if authority == "" {
		return target{}, Invalid("the url has no host")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return target{strings.ToLower(scheme), authority, path}, nil
}

// hostOf is the host that a url names, without a user and a port; empty where it is no url.
func hostOf(url string) string {
	target, err := parse(url)
	if err != nil {
		return ""
	}
	host := target.authority[strings.LastIndex(target.authority, "@")+1:]
	if end := strings.Index(host, "]"); end >= 0 {
		return host[:end+1]
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}

// errorCodes are the cases of error-code, of wasi:http/types, in their order.
var errorCodes = [...]string{
	"DNS-timeout", "DNS-error", "destination-not-found", "destination-unavailable", "destination-IP-prohibited",
	"destination-IP-unroutable", "connection-refused", "connection-terminated", "connection-timeout", "connection-read-timeout",
	"connection-write-timeout", "connection-limit-reached", "TLS-protocol-error", "TLS-certificate-error", "TLS-alert-received",
	"HTTP-request-denied", "HTTP-request-length-required", "HTTP-request-body-size", "HTTP-request-method-invalid",
	"HTTP-request-URI-invalid", "HTTP-request-URI-too-long", "HTTP-request-header-section-size", "HTTP-request-header-size",
	"HTTP-request-trailer-section-size", "HTTP-request-trailer-size", "HTTP-response-incomplete",
	"HTTP-response-header-section-size", "HTTP-response-header-size", "HTTP-response-body-size",
	"HTTP-response-trailer-section-size", "HTTP-response-trailer-size", "HTTP-response-transfer-coding",
	"HTTP-response-content-coding", "HTTP-response-timeout", "HTTP-upgrade-failed", "HTTP-protocol-error", "loop-detected",
	"configuration-error", "internal-error",
}

// failed is the error for a case of error-code.
func failed(code byte) error {
	name := "unknown"
	if int(code) < len(errorCodes) {
		name = errorCodes[code]
	}
	switch name {
	case "HTTP-request-denied", "destination-IP-prohibited":
		return Denied()
	case "connection-timeout", "connection-read-timeout", "connection-write-timeout", "DNS-timeout", "HTTP-response-timeout":
		return Timeout()
	case "HTTP-request-body-size", "HTTP-request-URI-invalid", "HTTP-request-method-invalid", "HTTP-request-length-required",
		"HTTP-request-URI-too-long":
		return Invalid(name)
	default:
		return Unavailable(name)
	}
}

// methods are the cases of method, of wasi:http/types, in their order; whatever else is `other`.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// schemes are the cases of scheme likewise.
var schemes = [...]string{"http", "https"}

// number is the case for a name, or that of `other`.
func number(names []string, name string) uint32 {
	for i, known := range names {
		if known == name {
			return uint32(i)
		}
	}
	return uint32(len(names))
}
