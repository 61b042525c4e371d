package http

import (
	"runtime"
	"strconv"
	"strings"

	"github.com/cofferdam/cofferdam/sdk/go/internal/abi"
)

const (
	// mostWritten is what one write may have, by wasi:io.
	mostWritten = 4096
	// mostRead is what one read takes.
	mostRead = 64 << 10
)

// send does it all in one call of abi.ImportAnswer, with the collector off: the answer is memory of the host's choosing.
func send(request *Request) (response *Response, err error) {
	target, err := parse(request.URL)
	if err != nil {
		return nil, err
	}
	abi.ImportAnswer(func() { response, err = exchange(request, target) })
	runtime.KeepAlive(request)
	return response, err
}

func exchange(request *Request, target target) (*Response, error) {
	outgoing, err := outgoing(request, target)
	if err != nil {
		return nil, err
	}
	var body uint32
	if len(request.Body) > 0 {
		result := abi.Area(abi.SizeOwned)
		requestBody(outgoing, result)
		var ok bool
		if body, ok = abi.LiftOwned(result); !ok {
			dropRequest(outgoing)
			return nil, Invalid("the length")
		}
	}
	result := abi.Area(abi.SizeCoded)
	handle(outgoing, 0, 0, result)
	future, code, ok := abi.LiftCoded(result)
	if !ok {
		if body != 0 {
			dropOutgoingBody(body)
		}
		return nil, failed(code)
	}
	defer dropFuture(future)
	if body != 0 {
		if err := write(body, request.Body); err != nil {
			return nil, err
		}
	}
	ready := subscribe(future)
	block(ready)
	dropPollable(ready)
	result = abi.Area(abi.SizeAnswer)
	futureGet(future, result)
	incoming, code, ok, there := abi.LiftAnswer(result)
	switch {
	case !there:
		return nil, Unavailable("the answer was taken before")
	case !ok:
		return nil, failed(code)
	}
	defer dropResponse(incoming)
	response := &Response{Status: int(responseStatus(incoming)), Headers: headers(incoming)}
	response.Body, err = read(incoming)
	return response, err
}

func outgoing(request *Request, target target) (uint32, error) {
	entries := make([]abi.Header, 0, len(request.Headers)+1)
	length := len(request.Body) > 0
	for _, header := range request.Headers {
		entries = append(entries, abi.Header{Name: abi.Valid(header.Name), Value: header.Value})
		length = length && !strings.EqualFold(header.Name, "content-length")
	}
	if length {
		entries = append(entries, abi.Header{Name: "content-length", Value: strconv.AppendInt(nil, int64(len(request.Body)), 10)})
	}
	result := abi.Area(abi.SizeOwned)
	address, count := abi.LowerEntries(entries)
	fieldsFromList(address, count, result)
	runtime.KeepAlive(entries)
	fields, ok := abi.LiftOwned(result)
	if !ok {
		return 0, Invalid([]string{"a header is no header", "a header is not the plugin's to set", "a header"}[min(abi.LiftHeaderError(result), 2)])
	}
	outgoing := newRequest(fields)
	method, authority, path := abi.Valid(request.Method), abi.Valid(target.authority), abi.Valid(target.path)
	methodAddress, methodLength := abi.Text(method)
	schemeAddress, schemeLength := abi.Text(target.scheme)
	authorityAddress, authorityLength := abi.Text(authority)
	pathAddress, pathLength := abi.Text(path)
	wrong := ""
	switch {
	case setMethod(outgoing, number(methods[:], method), methodAddress, methodLength) != 0:
		wrong = "the method"
	case setScheme(outgoing, 1, number(schemes[:], target.scheme), schemeAddress, schemeLength) != 0:
		wrong = "the scheme"
	case setAuthority(outgoing, 1, authorityAddress, authorityLength) != 0:
		wrong = "the host"
	case setPath(outgoing, 1, pathAddress, pathLength) != 0:
		wrong = "the path"
	}
	runtime.KeepAlive(method)
	runtime.KeepAlive(target)
	runtime.KeepAlive(authority)
	runtime.KeepAlive(path)
	if wrong != "" {
		dropRequest(outgoing)
		return 0, Invalid(wrong)
	}
	return outgoing, nil
}

// write sends the body. A host that has heard enough, or was not granted, takes no more of it; the answer says which.
func write(body uint32, content []byte) error {
	result := abi.Area(abi.SizeCoded)
	bodyWrite(body, result)
	stream, ok := abi.LiftOwned(result)
	for ok && len(content) > 0 {
		piece := content[:min(len(content), mostWritten)]
		content = content[len(piece):]
		address, length := abi.Bytes(piece)
		blockingWrite(stream, address, length, result)
		_, taken, failed := abi.LiftStream(result, false)
		if failed != 0 {
			dropError(failed)
		}
		if !taken {
			dropOutputStream(stream)
			dropOutgoingBody(body)
			return nil
		}
	}
	if ok {
		dropOutputStream(stream)
	}
	bodyFinish(body, 0, 0, result)
	if _, code, ok := abi.LiftCoded(result); !ok {
		return failed(code)
	}
	return nil
}

func headers(response uint32) []Header {
	fields := responseHeaders(response)
	result := abi.Area(abi.SizeOwned)
	fieldsEntries(fields, result)
	entries := abi.LiftEntries(result)
	dropFields(fields)
	headers := make([]Header, len(entries))
	for i, entry := range entries {
		headers[i] = Header(entry)
	}
	return headers
}

func read(response uint32) ([]byte, error) {
	result := abi.Area(abi.SizeCode)
	responseConsume(response, result)
	body, ok := abi.LiftOwned(result)
	if !ok {
		return nil, Unavailable("the answer was taken before")
	}
	defer dropIncomingBody(body)
	bodyStream(body, result)
	stream, ok := abi.LiftOwned(result)
	if !ok {
		return nil, Unavailable("the answer broke off")
	}
	defer dropInputStream(stream)
	var content []byte
	for {
		mark := abi.Now()
		blockingRead(stream, mostRead, result)
		piece, ok, broken := abi.LiftStream(result, true)
		abi.Release(mark)
		if ok {
			content = append(content, piece...)
			continue
		}
		if broken == 0 {
			return content, nil
		}
		httpErrorCode(broken, result)
		code, known := abi.LiftCode(result)
		dropError(broken)
		if known {
			return nil, failed(code)
		}
		return nil, Unavailable("the answer broke off")
	}
}
