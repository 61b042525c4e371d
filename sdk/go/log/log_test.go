package log_test

import (
	"slices"
	"testing"

	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

func TestATestSeesTheLinesWithTheirLevels(t *testing.T) {
	host := cofferdamtest.NewHost(t)
	log.Infof("%d of %d", 1, 2)
	log.Warn("late: 100%")
	log.Write(log.LevelTrace, "a context", "\xff")
	expected := []cofferdamtest.Line{
		{Level: log.LevelInfo, Text: "1 of 2"}, {Level: log.LevelWarn, Text: "late: 100%"},
		{Level: log.LevelTrace, Context: "a context", Text: "\uFFFD"},
	}
	if !slices.Equal(host.Logs(), expected) {
		t.Errorf("%+v", host.Logs())
	}
}
