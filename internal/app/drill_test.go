package app

import (
	"io"
	"strings"
	"testing"

	"haat/internal/drill"
)

// A short drill holds, and falls short with its protection turned off; so does
// the command say.
func TestDrillsHoldAndFallShort(t *testing.T) {
	t.Setenv(programEnv, "1")
	for _, id := range []string{"F-2", "F-7", "F-14"} {
		t.Run(id, func(t *testing.T) {
			for _, without := range []bool{false, true} {
				code, out, errs := run("drill", id, "--doc", t.TempDir()+"/faults.md", "--without="+map[bool]string{true: "true", false: "false"}[without])
				want, says := drill.Held, "| held\n"
				if without {
					want, says = drill.FellShort, "| fell short: "
				}
				if code != want || !strings.Contains(out, says) {
					t.Errorf("without %t: %d\n%s%s", without, code, out, errs)
				}
			}
		})
	}
}

func TestDrillsAreListed(t *testing.T) {
	code, out, _ := run("drill")
	if code != 0 || !strings.Contains(out, "F-14") || !strings.Contains(out, "kill -9") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errs := run("drill", "F-99"); code != drill.CouldNotRun || !strings.Contains(errs, `no drill is called "F-99"`) {
		t.Errorf("%d %s", code, errs)
	}
	if code, err := drill.Run(t.Context(), drill.Options{IDs: []string{"F-99"}}, "haat", io.Discard); code != drill.CouldNotRun || err == nil {
		t.Errorf("%d, %v", code, err)
	}
}
