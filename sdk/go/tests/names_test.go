package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Without the section that names functions, a trap's backtrace is a list of numbers.
func TestPluginsThatAreBuiltAsThePagesSayKeepTheNamesOfFunctions(t *testing.T) {
	folder := t.TempDir()
	build(t, folder, "several")
	plugin, err := os.ReadFile(filepath.Join(folder, "several.wasm"))
	if err != nil || !bytes.Contains(plugin, []byte("\x04name")) {
		t.Fatal("a plugin that was built with -w names no functions", err)
	}
	flags := regexp.MustCompile(`go build .*-ldflags=(\S+|'[^']*') `)
	for _, page := range []string{"../README.md", "../template/build.sh", "../../../examples/in-every-language/go/build.sh"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if found := flags.FindSubmatch(text); found == nil || string(found[1]) != "-w" {
			t.Errorf("%s builds with %q, not with -ldflags=-w", page, found)
		}
	}
}
