package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// haat runs a command of the program to its end.
func haat(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	bin, err := Binary(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
	return string(b), err
}

// Three short drills hold, and fall short with their protection turned off.
func TestDrillsHoldAndFallShort(t *testing.T) {
	for _, id := range []string{"F-2", "F-7", "F-14"} {
		t.Run(id, func(t *testing.T) {
			doc := filepath.Join(t.TempDir(), "faults.md")
			out, err := haat(t, "drill", id, "--both", "--doc", doc)
			if err != nil || !strings.Contains(out, "| held\n") || !strings.Contains(out, "| fell short: ") {
				t.Errorf("%v\n%s", err, out)
			}
			if text, err := os.ReadFile(doc); err != nil || !strings.Contains(string(text), "| "+id+" |") {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
}

// Every benchmark runs, in as small a form as there is: nothing fails, the
// figures that its goals are about are there, and the document shows them.
// How fast anything was is not asked.
func TestBenchmarksRun(t *testing.T) {
	dir := t.TempDir()
	doc := filepath.Join(dir, "benchmarks.md")
	if err := os.WriteFile(doc, []byte("# Before\n<!-- figures: written by haat bench from the JSON files -->\nsuperseded\n<!-- end of figures -->\nAfter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "out")
	said, err := haat(t, "bench", "--out", folder, "--doc", doc, "--for=100ms", "--rounds=1", "--shops=5", "--seeded=60", "--crowd=200", "--rise=1s", "--rows=200", "--large=60")
	if err != nil {
		t.Fatalf("%v after\n%s", err, said)
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Before\n") || !strings.HasSuffix(string(text), "After\n") || strings.Contains(string(text), "superseded") {
		t.Errorf("what stood around the tables: %s", text)
	}
	for name, goals := range map[string]int{
		"page-hit": 0, "page-miss": 3, "mix": 1, "create": 1, "order": 4, "hot-sku": 4, "spike": 3, "import": 2, "big-shop": 1, "events": 5, "fleet": 2, "journey": 5,
	} {
		b, err := os.ReadFile(filepath.Join(folder, name+".json"))
		if err != nil {
			t.Error(err)
			continue
		}
		var r struct {
			Name    string
			Machine struct{ Cores int }
			Rows    []struct {
				Label string
				Rate  float64 `json:"per_second"`
				P50   float64 `json:"p50_ms"`
				P99   float64 `json:"p99_ms"`
				Bad   int64   `json:"errors"`
			}
			Goals []struct {
				What         string
				Seen, Target float64
				Least        bool `json:"at_least"`
				Met          bool
			}
			Notes []string
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		if r.Name != name || len(r.Rows) == 0 || len(r.Goals) < goals || r.Machine.Cores == 0 {
			t.Errorf("%s: %s", name, b)
		}
		for _, x := range r.Rows {
			if x.Rate <= 0 || x.Label == "" || x.Bad > 0 && name != "mix" || name != "import" && x.P99 < x.P50 {
				t.Errorf("%s: %+v", name, x)
			}
			if !strings.Contains(string(text), "| "+x.Label+" |") {
				t.Errorf("the document has no %q of %s", x.Label, name)
			}
		}
		for _, g := range r.Goals {
			if g.Met != (g.Least && g.Seen >= g.Target || !g.Least && g.Seen <= g.Target) {
				t.Errorf("%s: %+v", name, g)
			}
			if strings.Contains(g.What, "errors") && g.Seen > 0 || g.What == "statements a page" && g.Seen < 2 || g.What == "connections open at the end" && !g.Met {
				t.Errorf("%s: %+v, %v", name, g, r.Notes)
			}
		}
		if svg, err := os.ReadFile(filepath.Join(folder, name+".svg")); err != nil || !strings.HasPrefix(string(svg), "<svg") {
			t.Errorf("%s has no chart: %v", name, err)
		}
	}
}
