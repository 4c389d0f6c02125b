package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/op"
)

// newImporter makes one that has no network and does not wait.
func newImporter(t testing.TB, f *fleet.Fleet, dir string, change ...func(*catalog.ImporterConfig)) *catalog.Importer {
	t.Helper()
	c := catalog.ImporterConfig{
		Rooms: f.ByID, Across: f.Across, Dir: dir, Log: slog.New(slog.DiscardHandler),
		Fetch: func(context.Context, id.Shop, string) (media.Image, error) {
			return media.Image{}, errors.New("no network")
		},
		Lasting:    func(error) bool { return true },
		ShopURL:    shopURL,
		ImagePause: func(int) time.Duration { return 0 },
		ShopPause:  func(int) time.Duration { return 0 },
	}
	for _, fn := range change {
		fn(&c)
	}
	m, err := catalog.NewImporter(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func shopURL(slug string) string { return "http://" + slug + ".haat.test" }

// importer works on imports.
func importer(t *testing.T, f *fleet.Fleet, change ...func(*catalog.ImporterConfig)) *catalog.Importer {
	t.Helper()
	m := newImporter(t, f, t.TempDir(), change...)
	work(t, m)
	return m
}

// work has an importer work until the test ends, or stop is called.
func work(t *testing.T, m *catalog.Importer) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		var images sync.WaitGroup
		images.Go(func() { m.WorkImages(ctx) })
		m.Work(ctx)
		images.Wait()
		close(done)
	}()
	stop = func() { cancel(); <-done; m.Close() }
	t.Cleanup(stop)
	return stop
}

func begin(t *testing.T, m *catalog.Importer, room *fleet.Room, by op.Caller, file []byte, dry bool) id.Import {
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
	return begun.ID
}

// until waits for an import to be as asked.
func until(t *testing.T, room *fleet.Room, imp id.Import, is func(catalog.Import) bool) catalog.Import {
	t.Helper()
	late := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := catalog.ReadImport(t.Context(), room, imp)
		if err != nil {
			t.Fatal(err)
		}
		if is(got) {
			return got
		}
		select {
		case <-late:
			t.Fatalf("the import stands at %+v", got)
		case <-tick.C:
		}
	}
}

func ended(i catalog.Import) bool {
	return i.Status == catalog.ImportDone || i.Status == catalog.ImportFailed
}

func fetched(i catalog.Import) bool { return ended(i) && i.Images.Queued == 0 }

func runImport(t *testing.T, m *catalog.Importer, room *fleet.Room, by op.Caller, file []byte, dry bool) catalog.Import {
	t.Helper()
	return until(t, room, begin(t, m, room, by, file, dry), ended)
}

func product(t *testing.T, room *fleet.Room, by op.Caller, handle string) catalog.Details {
	t.Helper()
	var pid id.Product
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		pid, _, err = catalog.ByHandle(t.Context(), r, handle)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := catalog.GetProduct.Do(t.Context(), room, by, catalog.ProductIn{Product: pid.String()})
	if err != nil {
		t.Fatalf("%s: %v", handle, err)
	}
	return d
}

func export(t *testing.T, m *catalog.Importer, room *fleet.Room) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.Export(t.Context(), room, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
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
	return out
}

// fixtures are our own small files, in both generations.
func fixtures(t *testing.T) (out [][]byte) {
	names, err := filepath.Glob("shopify/testdata/*.csv")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
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
		// Of all of them, one product's stock is tracked.
		rows, err := catalog.ListVariants.Do(t.Context(), room, by, catalog.VariantsIn{Page: op.Page{Limit: 250}})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range rows.Items {
			if want := v.Title == "Biodegradable cardboard pots"; v.Tracked != want || want && v.Available != 8 {
				t.Errorf("%+v", v)
			}
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

// A product that the stock refuses after its other rows were written leaves no
// trace, and takes none of its neighbours with it.
func TestARefusedProductIsNotHalfSaved(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		const head = "Handle,Title,Variant Price,Variant Inventory Tracker,Variant Inventory Policy"
		owing := []byte(head + ",Variant Inventory Qty\nmug,Mug,10,shopify,continue,-3\n")
		if got := runImport(t, m, room, by, owing, false); got.Products.Created != 1 {
			t.Fatalf("%+v", got)
		}
		second := []byte(head + "\nbowl,Bowl,5,shopify,deny\nmug,Renamed,99,shopify,deny\nplate,Plate,7,shopify,deny\n")
		got := runImport(t, m, room, by, second, false)
		if got.Status != catalog.ImportDone || got.Products.Created != 2 || got.Products.Skipped != 1 || got.Products.Updated != 0 || len(got.RowErrors) != 1 || got.RowErrors[0].Line != 3 {
			t.Errorf("%+v", got)
		}
		mug, err := catalog.ShopProduct.Do(t.Context(), room, op.Caller{}, catalog.ShopProductIn{Handle: "mug"})
		if err != nil || mug.Title != "Mug" || mug.Variants[0].Price.Amount != 10_00 {
			t.Errorf("the refused product is now %+v, %v", mug, err)
		}
	})
}

// The program ends at every point of an import; the next run goes on, and the
// outcome is as if it had never stopped.
func TestAnInterruptedImportGoesOn(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		const products = 300
		var file bytes.Buffer
		file.WriteString("Handle,Title,Variant Price\n")
		for i := range products {
			price := fmt.Sprint(i + 1)
			if i%50 == 7 {
				price = "free" // a row with a mistake, to be told once
			}
			fmt.Fprintf(&file, "p-%d,Product %d,%s\n", i, i, price)
		}
		dir := t.TempDir()
		m := newImporter(t, f, dir)
		kept, err := m.Keep(&file)
		if err != nil {
			t.Fatal(err)
		}
		begun, err := m.Start(t.Context(), room, by, kept, catalog.StartOptions{Name: "x.csv"})
		if err != nil {
			t.Fatal(err)
		}
		kept.Drop()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		var got catalog.Import
		stops := 0
		for deadline := time.Now().Add(time.Minute); got.Status != catalog.ImportDone; {
			if time.Now().After(deadline) || got.Status == catalog.ImportFailed {
				t.Fatalf("after %d stops: %+v", stops, got)
			}
			m := newImporter(t, f, dir)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				var images sync.WaitGroup
				images.Go(func() { m.WorkImages(ctx) })
				m.Work(ctx)
				images.Wait()
				close(done)
			}()
			for before := got.RowsDone; got.RowsDone == before && got.Status != catalog.ImportDone && time.Now().Before(deadline); {
				if got, err = catalog.ReadImport(t.Context(), room, begun.ID); err != nil {
					t.Fatal(err)
				}
			}
			cancel() // wherever it is by now
			<-done
			stops++
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got, err = catalog.ReadImport(t.Context(), room, begun.ID); err != nil || got.Products.Created != products-6 || got.Errors != 6 || len(got.RowErrors) != 6 {
			t.Errorf("after %d stops: %+v, %v", stops, got, err)
		}
		if n, err := catalog.CountProducts(t.Context(), room); err != nil || n != products-6 {
			t.Errorf("%d products, %v", n, err)
		}
		if stops < 2 {
			t.Errorf("stopped %d times: that interrupts nothing", stops)
		}
	})
}
