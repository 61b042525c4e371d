// Package tests has the real thing: plugins in the host, which stand-ins cannot vouch for. COFFERDAM names the host's program.
package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const configuration = `
[service]
name = "probes"

[kafka]
bootstrap_servers = "127.0.0.1:9092"

[admin]
listen = ""

# One instance for as long as it lives, so that what a message leaves behind meets the next.
[plugins.probe]
path = "probe.wasm"
config = { text = "b", number = 3 }
instances = { reuse = 1000000 }
capabilities = { keyvalue = "probes", http = ["SERVER", "NOBODY"] }
limits = { wall_time = "60s", cpu_time = "30s" }

# A fresh one for each message.
[plugins.fresh]
path = "probe.wasm"
instances = { reuse = 1 }
capabilities = { keyvalue = "probes", http = [] }

# It asks for no capability, and has none.
[plugins.several]
path = "several.wasm"
limits = { wall_time = "60s", cpu_time = "30s" }

[[routes]]
name = "probe"
from = { kafka = ["in"], group = "probe" }
handler = "probe"
order = "partition"
concurrency = 1
retry = { max_attempts = 3, initial_delay = "10ms", max_age = "1s" }

[routes.outputs]
out = { kafka = "out" }
events = { kafka = "events", envelope = "cloudevents" }

[[routes]]
name = "fresh"
from = { kafka = ["fresh"], group = "fresh" }
handler = "fresh"

[routes.outputs]
out = { kafka = "fresh.out" }

[[routes]]
name = "several"
from = { kafka = ["several"], group = "several" }
handler = "several"

[routes.outputs]
out = { kafka = "several.out" }
`

type line struct {
	Event, Route, Outcome string
	Key, Code             *string
	Outputs               int
	// Of log lines, on standard error.
	Level, Target, Context, Message string
	// Of the account.
	Received, Done, Retried int
}

func TestPluginsInTheHost(t *testing.T) {
	host := theHost(t)
	folder := t.TempDir()
	build(t, folder, "probe")
	build(t, folder, "several")
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	nobody := "http://127.0.0.1:1" // nobody listens there
	write(t, folder, "cofferdam.toml", strings.NewReplacer("SERVER", server.URL, "NOBODY", nobody).Replace(configuration))
	messages := []string{
		`{"key": "message", "headers": [["a", "1"], ["A", "/w==", "base64"]], "payload": {"text": "ü", "number": 1.5}}`,
		`{"key": "outputs", "payload": "p"}`,
		`{"key": "http", "payload": "` + server.URL + `"}`,
		`{"key": "nobody", "payload": "` + nobody + `"}`,
	}
	for _, key := range []string{
		"config", "keyvalue", "log", "goroutines", "retryable", "permanent", "deferred", "garbage-1", "garbage-2", "goroutines-2", "error",
		"fickle", "panic", "exit", "goexit",
	} {
		messages = append(messages, `{"key": "`+key+`", "payload": "p"}`)
	}
	write(t, folder, "input/in.jsonl", strings.Join(messages, "\n"))
	write(t, folder, "input/several.jsonl", "{\"payload\": 1}\n{\"payload\": \"x\"}\n{\"payload\": [3]}\n")

	// More than the arena holds, and the first that the instance is asked for.
	large := strings.Repeat("0123456789abcdef", 20_000)
	write(t, folder, "input/fresh.jsonl", strings.Repeat(`{"key": "garbage-fresh", "payload": "`+large+`"}`+"\n", 3))

	lines, logged := dev(t, host, folder)

	ends := map[string]string{}
	several, fresh := map[string]int{}, map[string]int{}
	for _, line := range lines {
		if line.Event != "done" && line.Event != "dead_letter" {
			continue
		}
		end := line.Outcome
		if line.Code != nil {
			end += " " + *line.Code
		}
		switch line.Route {
		case "several":
			several[end]++
		case "fresh":
			fresh[end]++
		default:
			ends[*line.Key] = end + " " + strconv.Itoa(line.Outputs)
		}
	}
	for key, expected := range map[string]string{
		"message": "done 0", "outputs": "done 5", "http": "permanent CAPABILITY_DENIED 0", "nobody": "retryable SERVICE_UNAVAILABLE 0",
		"config": "deferred CONFIGURATION_MISSING 0", "keyvalue": "permanent CAPABILITY_DENIED 0", "log": "done 0",
		"goroutines": "done 0", "goroutines-2": "done 0", "garbage-1": "done 1", "garbage-2": "done 1",
		"retryable": "retryable RATE_LIMITED 0", "permanent": "permanent DUPLICATE 0", "deferred": "deferred TOO_EARLY 0",
		"error": "trapped UNCAUGHT_EXCEPTION 0", "fickle": "done 0", "panic": "trapped UNCAUGHT_EXCEPTION 0", "exit": "contract_broken EXITED 0",
	} {
		if ends[key] != expected {
			t.Errorf("%s ended as %q, not as %q", key, ends[key], expected)
		}
	}
	// Go says that all goroutines are gone, and ends; once it was seen to go on calling the host after that, until it was ended.
	if end := ends["goexit"]; end != "trapped UNCAUGHT_EXCEPTION 0" && end != "contract_broken HOST_CALL_LIMIT 0" {
		t.Errorf("goexit ended as %q", end)
	}
	if len(several) != 2 || several["done"] != 2 || several["permanent VALIDATION_ERROR"] != 1 {
		t.Errorf("several ended as %v", several)
	}
	if len(fresh) != 1 || fresh["done"] != 3 {
		t.Errorf("large messages to fresh instances ended as %v", fresh)
	}
	for _, expected := range []line{
		{Level: "WARN", Context: "", Message: `msg="warned of" what=something`},
		{Level: "ERROR", Context: "", Message: "msg=failed a=1 g.b=2"},
		{Level: "INFO", Context: "a context", Message: "a line"},
		{Level: "INFO", Context: "stdout", Message: "to standard output"},
		{Level: "WARN", Context: "stderr", Message: "Uncaught *errors.errorString: a plain error, returned by main.handle"},
		{Level: "WARN", Context: "stderr", Message: "panic: runtime error: index out of range [1] with length 1"},
	} {
		if !slices.ContainsFunc(logged, func(line line) bool {
			return line.Level == expected.Level && line.Context == expected.Context && line.Message == expected.Message
		}) {
			t.Errorf("not logged: %+v", expected)
		}
	}
	if !slices.ContainsFunc(logged, func(line line) bool { return strings.Contains(line.Message, "tests/probe/main.go:") }) {
		t.Error("the panic does not say where it was")
	}
	if t.Failed() {
		for _, line := range logged {
			if line.Message != "left behind" {
				t.Log(line.Level, line.Context, line.Message)
			}
		}
	}
}

// echo answers with what it was asked for.
func echo(writer http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	writer.Header().Set("X-Said", "yes")
	switch request.URL.Path {
	case "/long":
		writer.Write(bytes.Repeat([]byte("x"), 300_000))
		return
	case "/gone":
		writer.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprintf(writer, "%s %s %s %d", request.Method, request.URL.RequestURI(), request.Header.Get("Accept"), len(body))
}

func theHost(t *testing.T) string {
	t.Helper()
	host := os.Getenv("COFFERDAM")
	if host == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("needs COFFERDAM=<the host's program>")
		}
		t.Skip("needs COFFERDAM=<the host's program>")
	}
	return host
}

func build(t *testing.T, folder, plugin string) {
	t.Helper()
	file := filepath.Join(folder, plugin+".wasm")
	command := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-w", "-trimpath", "-o", file, "./"+plugin)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// dev runs `cofferdam dev` and returns its lines and what plugins logged.
func dev(t *testing.T, host, folder string) (lines, logged []line) {
	t.Helper()
	command := exec.Command(host, "dev", ".", "--exit-when-idle", "--json")
	command.Dir = folder
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %s", err, words.String())
	}
	for _, line := range parse(&words) {
		if line.Target == "plugin" {
			logged = append(logged, line)
		}
	}
	return parse(&out), logged
}

func parse(text io.Reader) (lines []line) {
	reader := bufio.NewReader(text)
	for {
		raw, err := reader.ReadBytes('\n')
		var parsed line
		if json.Unmarshal(raw, &parsed) == nil {
			lines = append(lines, parsed)
		}
		if err != nil {
			return lines
		}
	}
}
