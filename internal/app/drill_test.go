package app

import (
	"io"
	"strings"
	"testing"

	"haat/internal/drill"
)

func TestDrillsAreListed(t *testing.T) {
	code, out, _ := run("drill")
	if code != 0 || !strings.Contains(out, "F-14") || !strings.Contains(out, "kill -9") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errs := run("drill", "F-99"); code != drill.CouldNotRun || !strings.Contains(errs, `no drill is called "F-99"`) {
		t.Errorf("%d %s", code, errs)
	}
	if code, err := drill.Run(t.Context(), drill.Options{IDs: []string{"F-99"}}, drill.Host{}, io.Discard); code != drill.CouldNotRun || err == nil {
		t.Errorf("%d, %v", code, err)
	}
}
