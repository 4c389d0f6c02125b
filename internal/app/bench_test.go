package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"haat/internal/bench"
	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/shop"
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
	host := measured
	host.Open = func(ctx context.Context, dir string) (*bench.Platform, error) {
		p, err := openToMeasure(ctx, dir)
		if err == nil {
			p.Demo = func(ctx context.Context) error { return onePot(ctx, p.Fleet) } // drawing the pictures takes minutes with -race
		}
		return p, err
	}
	var said strings.Builder
	err := bench.Run(t.Context(), bench.Options{
		Out: out, Doc: doc, For: 100 * time.Millisecond, Rounds: 1, Shops: 5, Seeded: 60, Crowd: 200, Rise: time.Second, Rows: 200, Large: 60,
	}, host, &said)
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
		if svg, err := os.ReadFile(filepath.Join(out, name+".svg")); err != nil || !strings.HasPrefix(string(svg), "<svg") {
			t.Errorf("%s has no chart: %v", name, err)
		}
	}
	if err := bench.Run(t.Context(), bench.Options{Names: []string{"nothing"}, Out: out, For: time.Second, Rounds: 1, Shops: 5, Seeded: 60, Crowd: 200, Rise: time.Second, Rows: 200, Large: 60}, measured, &said); err == nil {
		t.Error("a benchmark that there is not was run")
	}
}

// onePot opens the shop that page-hit looks at, with one product.
func onePot(ctx context.Context, f *fleet.Fleet) error {
	settings := shop.Defaults("Demo", "IN", "INR")
	room, err := f.Create(ctx, id.NewShop(), "demo", settings.Name, func(tx *db.Tx) error { return shop.Write(ctx, tx, settings) }, func(*db.ControlTx) error { return nil })
	if err != nil {
		return err
	}
	_, err = room.Change(ctx, func(tx *db.Tx) error {
		return catalog.Create(ctx, tx, &catalog.Product{Handle: "pot", Title: "Pot", Status: catalog.Active, DescriptionHTML: "<p>" + strings.Repeat("Thrown by hand. ", 40) + "</p>",
			Variants: []catalog.Variant{{Price: 100_00, Stock: &catalog.Stock{Tracked: true, Available: 5, SetAvailable: true}}}})
	})
	return err
}
