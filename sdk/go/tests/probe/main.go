// A plugin that asks the host for all there is, and traps where an answer is not what it should be.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	cofferdam "github.com/cofferdam/cofferdam/sdk/go"
	"github.com/cofferdam/cofferdam/sdk/go/cloudevents"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamslog"
	"github.com/cofferdam/cofferdam/sdk/go/config"
	"github.com/cofferdam/cofferdam/sdk/go/http"
	"github.com/cofferdam/cofferdam/sdk/go/keyvalue"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

func main() {}

// early is asked for before there is a handler.
var early, _ = config.Get("text")

func init() {
	slog.SetDefault(cofferdamslog.New(slog.LevelInfo))
	cofferdam.Handle(handle)
}

var probes = map[string]func(*cofferdam.Message) ([]cofferdam.Output, error){
	"message": message, "outputs": outputs, "config": configuration, "keyvalue": values, "http": requests, "nobody": nobody,
	"log": lines, "goroutines": goroutines, "garbage": garbage,
	"retryable": func(*cofferdam.Message) ([]cofferdam.Output, error) {
		return nil, cofferdam.Retryablef("RATE_LIMITED", "wait").After(50 * time.Millisecond)
	},
	"permanent": func(*cofferdam.Message) ([]cofferdam.Output, error) {
		return nil, fmt.Errorf("while looking: %w", cofferdam.Permanentf("DUPLICATE", "known \xff"))
	},
	"deferred": func(*cofferdam.Message) ([]cofferdam.Output, error) {
		return nil, cofferdam.Deferredf("TOO_EARLY", "wait").After(time.Hour)
	},
	"error": func(*cofferdam.Message) ([]cofferdam.Output, error) { return nil, errors.New("a plain error") },
	// Two errors that are not the same fault, and then none.
	"fickle": func(message *cofferdam.Message) ([]cofferdam.Output, error) {
		return nil, []error{errors.New("one error"), errors.New("another error"), nil}[message.Attempt-1]
	},
	"panic": func(*cofferdam.Message) ([]cofferdam.Output, error) { return nil, []error{nil}[len(os.Args)+1] },
	"exit":  func(*cofferdam.Message) ([]cofferdam.Output, error) { os.Exit(3); return nil, nil },
	"goexit": func(*cofferdam.Message) ([]cofferdam.Output, error) {
		runtime.Goexit()
		return nil, nil
	},
}

func handle(message *cofferdam.Message) ([]cofferdam.Output, error) {
	key, _ := message.KeyText()
	name, _, _ := strings.Cut(key, "-")
	return probes[name](message)
}

func must(holds bool, what ...any) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

func message(message *cofferdam.Message) ([]cofferdam.Output, error) {
	var payload struct {
		Text   string
		Number float64
	}
	must(message.JSON(&payload) == nil && payload.Text == "ü" && payload.Number == 1.5, payload)
	must(len(message.Headers) == 2 && message.Headers[0].Name == "a" && string(message.Headers[0].Value) == "1", message.Headers)
	must(bytes.Equal(message.Header("a"), []byte{0xff}), message.Headers)
	_, text := message.HeaderText("a")
	must(!text, "no text")
	must(message.Source == "in" && strings.Count(message.Position, "/") == 1 && message.Attempt >= 1 && message.ID != "", message)
	must(time.Since(message.Timestamp).Abs() < 10*time.Minute, message.Timestamp, time.Now())
	return nil, nil
}

func outputs(message *cofferdam.Message) ([]cofferdam.Output, error) {
	first, err := cofferdam.JSON("out", map[string]int{"a": 1})
	must(err == nil, err)
	first.Key = []byte{0xff}
	first.Headers = []cofferdam.Header{{Name: "h", Value: []byte("1")}, {Name: "h", Value: []byte{0xff}}, {Name: "\xff", Value: nil}}
	first.Attributes = map[string]string{"type": "t", "subject": "s"}
	event, err := cloudevents.Output("events", "com.example.seen", []int{1})
	must(err == nil, err)
	event.Attributes["entityid"] = "e"
	return []cofferdam.Output{first, cofferdam.CopyOf(message, "out"), {To: "out", Key: []byte("ü")}, event, {To: "out", Payload: []byte{}}}, nil
}

func configuration(*cofferdam.Message) ([]cofferdam.Output, error) {
	text, err := config.Require("text")
	must(text == "b" && err == nil && early == text, text, err, early)
	all, err := config.All()
	must(len(all) == 2 && all["number"] == "3" && err == nil, all, err)
	_, found := config.Get("missing")
	must(!found, "missing")
	_, err = config.Require("missing")
	return nil, err
}

func values(*cofferdam.Message) ([]cofferdam.Output, error) {
	bucket, err := keyvalue.Open("probes")
	must(err == nil, err)
	defer bucket.Close()
	must(bucket.Set("a", []byte("1")) == nil && bucket.Set("b", []byte{0xff}) == nil && bucket.Delete("a") == nil, "set")
	a, err := bucket.Get("a")
	must(a == nil && err == nil, a, err)
	b, err := bucket.Get("b")
	must(bytes.Equal(b, []byte{0xff}) && err == nil, b, err)
	exists, err := bucket.Exists("a")
	must(!exists && err == nil, err)
	n, err := bucket.Increment("n", 2)
	must(n == 2 && err == nil, n, err)
	n, err = bucket.Increment("n", -5)
	must(n == -3 && err == nil, n, err)
	before, err := bucket.SetIfAbsent("c", []byte("x"))
	must(before == nil && err == nil, before, err)
	before, err = bucket.SetIfAbsent("c", []byte("y"))
	must(string(before) == "x" && err == nil, before, err)
	keys, err := bucket.Keys()
	slices.Sort(keys)
	must(slices.Equal(keys, []string{"b", "c", "n"}) && err == nil, keys, err)
	_, err = bucket.Increment("c", 1)
	must(errors.Is(err, keyvalue.ErrStore) && errors.Is(err, cofferdam.ErrRetryable), err)
	log.Infof("refused as %v", err)
	// An answer that the arena does not hold, with much garbage before it.
	large := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	must(bucket.Set("large", large) == nil, "large")
	for range 50 {
		got, err := bucket.Get("large")
		must(bytes.Equal(got, large) && err == nil, err)
	}
	// Not granted, and not caught.
	_, err = keyvalue.Open("others")
	return nil, err
}

func requests(message *cofferdam.Message) ([]cofferdam.Output, error) {
	url, _ := message.Text()
	answer, err := http.Get(url+"/a?b=c#d").Header("accept", "text/x").Send()
	must(err == nil && answer.Status == 200 && string(answer.Body) == "GET /a?b=c text/x 0" && answer.Header("X-Said") == "yes", answer, err)
	answer, err = http.Post(url, bytes.Repeat([]byte("x"), 100_000)).Send()
	must(err == nil && string(answer.Body) == "POST /  100000", answer, err)
	answer, err = http.New("DELETE", url+"/gone").Send()
	must(err == nil && answer.Status == 404, answer, err)
	answer, err = http.Get(url + "/long").Send()
	must(err == nil && len(answer.Body) == 300_000, err)
	for _, wrong := range []string{"nonsense", "http://", "http://[", url + "/\n"} {
		_, err = http.Get(wrong).Send()
		must(errors.Is(err, http.ErrInvalid) || errors.Is(err, http.ErrDenied), wrong, err)
	}
	_, err = http.Get(url).Header("a b", "").Send()
	must(errors.Is(err, http.ErrInvalid), err)
	// Not granted, and not caught.
	_, err = http.Get("https://example.com/").Send()
	return nil, err
}

func nobody(message *cofferdam.Message) ([]cofferdam.Output, error) {
	url, _ := message.Text()
	_, err := http.Get(url).Send()
	return nil, err
}

func lines(*cofferdam.Message) ([]cofferdam.Output, error) {
	fmt.Println("to standard output")
	slog.Debug("not to be seen")
	slog.Warn("warned of", "what", "something")
	slog.With("a", 1).WithGroup("g").Error("failed", "b", 2)
	log.Write(log.LevelInfo, "a context", "a line")
	log.Infof("random %d", rand.Uint64())
	return nil, nil
}

// goroutines have the scheduler at work in a call, and leave some behind that would call the host.
func goroutines(*cofferdam.Message) ([]cofferdam.Output, error) {
	results := make(chan string)
	for range 10 {
		go func() {
			value, _ := config.Get("text")
			time.Sleep(time.Millisecond)
			results <- value
		}()
	}
	for range 10 {
		must(<-results == "b", "config")
	}
	go func() {
		for {
			time.Sleep(time.Microsecond)
			log.Info("left behind")
		}
	}()
	return nil, nil
}

var keep [][]byte

// garbage makes far more of it than there is memory, and keeps some.
func garbage(message *cofferdam.Message) ([]cofferdam.Output, error) {
	for range 2000 {
		keep = append(keep, make([]byte, 64<<10))
		if len(keep) == 32 {
			keep = nil
		}
	}
	return []cofferdam.Output{cofferdam.CopyOf(message, "out")}, nil
}
