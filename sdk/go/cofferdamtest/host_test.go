package cofferdamtest_test

import (
	"testing"

	"github.com/cofferdam/cofferdam/sdk/go/cofferdamtest"
	"github.com/cofferdam/cofferdam/sdk/go/config"
	"github.com/cofferdam/cofferdam/sdk/go/log"
)

func TestAHostEndsWithItsTest(t *testing.T) {
	t.Run("inner", func(t *testing.T) {
		cofferdamtest.NewHost(t).Config("a", "b")
		log.Info("a line")
	})
	if _, found := config.Get("a"); found {
		t.Error("it is still there")
	}
	if logs := cofferdamtest.NewHost(t).Logs(); len(logs) != 0 {
		t.Error(logs)
	}
}

func TestAHostIsNotForParallelTests(t *testing.T) {
	t.Run("inner", func(t *testing.T) {
		cofferdamtest.NewHost(t)
		defer func() {
			if recover() == nil {
				t.Error("two tests would share a host")
			}
		}()
		t.Parallel()
	})
}
