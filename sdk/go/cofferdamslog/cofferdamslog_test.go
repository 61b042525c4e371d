package cofferdamslog_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/cofferdam/cofferdam/sdk/go/cofferdamslog"
	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

func TestRecordsBecomeLinesWithTheirLevel(t *testing.T) {
	host := cofferdamtest.NewHost(t)
	logger := cofferdamslog.New(slog.LevelInfo)
	logger.Debug("not to be seen")
	logger.Info("priced", "order", "o-1", "total", 2.5)
	logger.With("a", 1).WithGroup("g").Error("two\nlines", "error", errors.New("e"), "level", 3)
	logger.Warn("last")
	expected := []cofferdamtest.Line{
		{Level: log.LevelInfo, Text: "msg=priced order=o-1 total=2.5"},
		{Level: log.LevelError, Text: `msg="two\nlines" a=1 g.error=e g.level=3`},
		{Level: log.LevelWarn, Text: "msg=last"},
	}
	if !slices.Equal(host.Logs(), expected) {
		t.Errorf("%+v", host.Logs())
	}
}
