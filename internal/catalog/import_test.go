package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/op"
)

// importer works on imports, without a network.
func importer(t *testing.T, f *fleet.Fleet) *catalog.Importer {
	t.Helper()
	m, err := catalog.NewImporter(catalog.ImporterConfig{
		Rooms: f.ByID, Across: f.Across, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler),
		Fetch: func(context.Context, id.Shop, string) (media.Image, error) {
			return media.Image{}, errors.New("no network")
		},
		Lasting:  func(error) bool { return true },
		ImageURL: func(slug string, shop id.Shop, m media.Image) string { return "https://example.com/" + m.Hash },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { m.Work(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; m.Close() })
	return m
}

func runImport(t *testing.T, m *catalog.Importer, room *fleet.Room, by op.Caller, file []byte, dry bool) catalog.Import {
	t.Helper()
	kept, err := m.Keep(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Drop()
	begun, err := m.Start(t.Context(), room, by, kept, catalog.StartOptions{DryRun: dry, Name: "x.csv"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		got, err := catalog.ReadImport(ctx, room, begun.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status == catalog.ImportDone || got.Status == catalog.ImportFailed {
			return got
		}
	}
	t.Fatal("the import did not end")
	return catalog.Import{}
}

// samples finds the real exports beside the clone; CI must have them.
func samples(t *testing.T) [][]byte {
	dir := os.Getenv("HAAT_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	var out [][]byte
	names, _ := filepath.Glob(filepath.Join(dir, "shopify", "*.csv"))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	if len(out) == 0 && os.Getenv("CI") == "true" {
		t.Fatalf("the real exports are missing: %s", dir)
	}
	own, err := filepath.Glob("shopify/testdata/*.csv")
	if err != nil || len(own) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	return out
}

func TestRealExportsComeInAndGoOut(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		for _, file := range samples(t) {
			if dry := runImport(t, m, room, by, file, true); dry.Status != catalog.ImportDone || dry.Products.Created != 20 || dry.Errors != 0 {
				t.Errorf("checked: %+v", dry)
			}
			got := runImport(t, m, room, by, file, false)
			if got.Status != catalog.ImportDone || got.Products.Created != 20 || got.Errors != 0 || got.Images.Queued+got.Images.Failed < 20 {
				t.Errorf("imported: %+v", got)
			}
			if again := runImport(t, m, room, by, file, false); again.Products.Updated != 20 || again.Products.Created != 0 {
				t.Errorf("again: %+v", again)
			}
		}
		if len(samples(t)) == 0 {
			return
		}
		var first, second bytes.Buffer
		if err := m.Export(t.Context(), room, &first); err != nil {
			t.Fatal(err)
		}
		other, them := open(t, f, "other")
		if got := runImport(t, m, other, them, first.Bytes(), false); got.Products.Created != 40 || got.Errors != 0 {
			t.Errorf("what was exported came in as %+v", got)
		}
		if err := m.Export(t.Context(), other, &second); err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Error("the catalogue changed on its way out and in")
		}
	})
}
