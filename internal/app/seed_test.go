package app

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/media/draw"
	"haat/internal/op"
	"haat/internal/search"
	"haat/internal/seed"
	"haat/internal/stock"
)

const seedEnv = "APP_TEST_SEED"

var seedPlan = seed.Plan{Shops: 900, Products: 2, Seed: 7}

// seedUntilKilled is the child of TestSeedingKilled: it seeds, and says so
// after every batch.
func seedUntilKilled() {
	dir := os.Getenv(seedEnv)
	if dir == "" {
		return
	}
	p := seedPlan
	p.Progress = func(p seed.Progress) { fmt.Println(p.New) }
	if _, err := Seed(context.Background(), dir, 2, p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// rowsOf gives every row of every database below a folder, as text.
func rowsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"control.db", "shards/s1.db", "shards/s2.db"} {
		f, err := db.OpenFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sums, err := f.Sums(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(t.Context(), true); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for table, sum := range sums {
			if table != "schema_version" && table != "shard" { // they say when the folder was made
				out[name+" "+table] = sum
			}
		}
	}
	return out
}

// TestSeedingKilled kills a process that seeds with no warning, and lets the
// next one go on: every row of every table is as if nothing had happened. A
// folder of another seed is not.
func TestSeedingKilled(t *testing.T) {
	whole, torn, other := t.TempDir(), t.TempDir(), t.TempDir()
	if p, err := Seed(t.Context(), whole, 2, seedPlan); err != nil || p.Shops != 900 || p.New != 900 {
		t.Fatalf("%+v, %v", p, err)
	}
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), seedEnv+"="+torn), os.Stderr
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAtLeast(pipe, make([]byte, 1), 1); err != nil { // the first batch is there
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	p, err := Seed(t.Context(), torn, 2, seedPlan)
	if err != nil || p.Shops != 900 || p.New == 0 || p.New == 900 {
		t.Fatalf("%+v, %v: it was to be killed in the middle", p, err)
	}
	want, got := rowsOf(t, whole), rowsOf(t, torn)
	if !maps.Equal(want, got) {
		for table := range want {
			if want[table] != got[table] {
				t.Errorf("%s differs", table)
			}
		}
	}
	plan := seedPlan
	plan.Seed++
	if _, err := Seed(t.Context(), other, 2, plan); err != nil {
		t.Fatal(err)
	}
	if maps.Equal(want, rowsOf(t, other)) {
		t.Error("another seed gave the same rows")
	}
}

// TestSeededShopsSell opens every seeded shop: its pages render with their
// pictures, its stock adds up, its collections hold what their rules say, and
// a search finds what it has.
func TestSeededShopsSell(t *testing.T) {
	dir := t.TempDir()
	plan := seed.Plan{Shops: 60, Products: 5, Seed: 3}
	if _, err := Seed(t.Context(), dir, 1, plan); err != nil {
		t.Fatal(err)
	}
	a, err := quietly(t.Context(), settings(t, dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	public, _, err := a.handlers()
	if err != nil {
		t.Fatal(err)
	}
	for i := range plan.Shops {
		room, err := a.fleet.ByID(t.Context(), seed.ID(plan.Seed, i))
		if err != nil {
			t.Fatal(err)
		}
		err = room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
			wrong, err := stock.Check(t.Context(), r)
			if len(wrong) > 0 {
				t.Errorf("shop %d: %v", i, wrong)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		list, err := catalog.ListProducts.Do(t.Context(), room, op.Caller{Shop: room.Shop(), Account: id.Account{1}}, catalog.ListIn{})
		if err != nil || len(list.Items) != min(plan.ProductsOf(i), 50) || len(list.Items) == 0 {
			t.Fatalf("shop %d has %d products, %v", i, len(list.Items), err)
		}
		p := list.Items[0]
		get := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			public.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://"+room.Host()+path, nil))
			return w
		}
		shelves := sameShelves(t, room)
		for path, text := range map[string]string{"/": room.Name(), "/products/" + p.Handle: p.Title} {
			w := get(path)
			body := w.Body.String()
			if w.Code != 200 || !strings.Contains(body, html.EscapeString(text)) {
				t.Errorf("shop %d: %s answers %d", i, path, w.Code)
			}
			for _, c := range shelves {
				if !strings.Contains(body, "/collections/"+c.Handle) {
					t.Errorf("shop %d: %s does not lead to %q", i, path, c.Title)
				}
			}
			pictures := pictureOf.FindAllString(body, -1)
			if len(pictures) < 2 {
				t.Errorf("shop %d: %s has no pictures", i, path)
			}
			switch {
			case i > 3: // shops have the same few hundred pictures
				pictures = nil
			case i > 0:
				pictures = pictures[:min(len(pictures), 2)]
			}
			for _, at := range pictures {
				if w := get(at); w.Code != 200 || w.Header().Get("Content-Type") != "image/webp" || !strings.HasPrefix(w.Body.String(), "RIFF") {
					t.Errorf("shop %d: %s answers %d", i, at, w.Code)
				}
			}
		}
		// No shop has this picture, though it could be drawn.
		none := draw.Recipe{View: draw.Near, Thing: "mug", Palette: 1}.Image()
		if w := get(media.URL(room.Shop(), none.Hash, 160)); w.Code != 404 {
			t.Errorf("shop %d: a picture that it does not have answers %d", i, w.Code)
		}
		if found, err := search.NewFinder(search.Options{}).Page(t.Context(), room, op.Caller{}, search.PageIn{Query: p.Title, Limit: 10}); err != nil || len(found.Cards) == 0 {
			t.Errorf("shop %d: a search for %q finds nothing, %v", i, p.Title, err)
		}
	}
}

var pictureOf = regexp.MustCompile(`/media/[0-9a-z]+/[0-9a-z]{32}-\d+\.webp`)

// sameShelves gives a seeded shop's collections, having asked each whether
// saving it again would change what is in it.
func sameShelves(t *testing.T, room *fleet.Room) []catalog.Collection {
	t.Helper()
	var all []catalog.Collection
	held := map[id.Collection][]id.Product{}
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		if all, err = catalog.Collections(t.Context(), r); err != nil {
			return err
		}
		for _, c := range all {
			if held[c.ID], err = catalog.Members(t.Context(), r, c.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(all) > 0 {
		_, err = room.Change(t.Context(), func(tx *db.Tx) error {
			for _, c := range all {
				if err := catalog.SaveCollection(t.Context(), tx, &c, nil); err != nil {
					return err
				}
				if now, err := catalog.Members(t.Context(), tx, c.ID); err != nil || len(now) < 2 || !slices.Equal(now, held[c.ID]) {
					t.Errorf("%s holds %d products and should hold %d, %v", c.Title, len(held[c.ID]), len(now), err)
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}
