package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"haat/internal/bench"
)

const programEnv = "APP_TEST_PROGRAM"

// runAsProgram has this test be the program for those who start it as that.
func runAsProgram() {
	if os.Getenv(programEnv) != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
}

// Every benchmark runs, in as small a form as there is: nothing fails, the
// figures that its goals are about are there, and the document shows them.
// How fast anything was is not asked.
func TestBenchmarksRun(t *testing.T) {
	t.Setenv(programEnv, "1")
	dir := t.TempDir()
	doc := filepath.Join(dir, "benchmarks.md")
	if err := os.WriteFile(doc, []byte("# Before\n<!-- figures: written by haat bench from the JSON files -->\nsuperseded\n<!-- end of figures -->\nAfter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	var said strings.Builder
	err := bench.Run(t.Context(), bench.Options{
		Out: out, Doc: doc, For: 100 * time.Millisecond, Rounds: 1, Shops: 5, Seeded: 60, Crowd: 200, Rise: time.Second, Rows: 200, Large: 60,
	}, measured, &said)
	if err != nil {
		t.Fatalf("%v after\n%s", err, said.String())
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Before\n") || !strings.HasSuffix(string(text), "After\n") || strings.Contains(string(text), "superseded") {
		t.Errorf("what stood around the tables: %s", text)
	}
	for name, goals := range map[string]int{
		"page-hit": 0, "page-miss": 3, "mix": 1, "create": 1, "order": 4, "hot-sku": 4, "spike": 3, "import": 2, "big-shop": 1, "journey": 5,
	} {
		b, err := os.ReadFile(filepath.Join(out, name+".json"))
		if err != nil {
			t.Error(err)
			continue
		}
		var r bench.Result
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		if r.Name != name || len(r.Rows) == 0 || len(r.Goals) < goals || r.Machine.Cores == 0 {
			t.Errorf("%s: %s", name, b)
		}
		t.Logf("%s took %.1f s", name, r.Took)
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
			if strings.Contains(g.What, "errors") && g.Seen > 0 || g.What == "statements a page" && g.Seen > 2.5 || g.What == "connections open at the end" && !g.Met {
				t.Errorf("%s: %+v, %v", name, g, r.Notes)
			}
		}
		if svg, err := os.ReadFile(filepath.Join(out, name+".svg")); err != nil || !strings.HasPrefix(string(svg), "<svg") {
			t.Errorf("%s has no chart: %v", name, err)
		}
	}
	if err := bench.Run(t.Context(), bench.Options{Names: []string{"nothing"}, Out: out, For: time.Second, Rounds: 1, Shops: 5, Seeded: 60, Crowd: 200, Rise: time.Second, Rows: 200, Large: 60}, measured, &said); err == nil {
		t.Error("a benchmark that there is not was run")
	}
}
