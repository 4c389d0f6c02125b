package catalog_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"haat/internal/catalog"
	"haat/internal/catalog/shopify"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/op"
)

// text gives pieces one after the other, none of which is held in memory.
func text(pieces ...any) io.Reader {
	var all []io.Reader
	for i := 0; i < len(pieces); i++ {
		s := pieces[i].(string)
		if i+1 < len(pieces) {
			if n, ok := pieces[i+1].(int); ok { // that many bytes of it
				all = append(all, io.LimitReader(endless{s}, int64(n)))
				i++
				continue
			}
		}
		all = append(all, strings.NewReader(s))
	}
	return io.MultiReader(all...)
}

// peak runs fn and gives by how much the heap grew at most.
func peak(t *testing.T, fn func()) int64 {
	heap := func() int64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64())
	}
	runtime.GC()
	before, most := heap(), int64(0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
			most = max(most, heap()-before)
		}
	}()
	fn()
	cancel()
	<-done
	return most
}

const big = 32 << 20

// What is no catalogue is refused before anything begins, with words that say
// what it is.
func TestFilesThatAreRefused(t *testing.T) {
	embedded(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		dir := t.TempDir()
		m := importer(t, f, func(c *catalog.ImporterConfig) { c.Dir = dir })
		for _, c := range []struct {
			name, says string
			file       io.Reader
		}{
			{"nothing", "empty", text("")},
			{"zeros", "not a text file", text("\x00", big)},
			{"a workbook", "Excel", text("PK\x03\x04", "x", 1<<20)},
			{"a header without end", "cannot be read", text("Handle,Title,", "x,", big)},
			{"a quoted header without end", "cannot be read", text("Handle,\"", "x", big)},
			{"10,000 columns", "10002 columns; we take up to 1000", text("Handle,Title", strings.Repeat(",c", 10_000), "\nmug,Mug\n")},
			{"other columns", "“Title” or “Handle”", text("a,b\n1,2\n")},
			{"a header alone", "no products", text("Handle,Title\n")},
		} {
			grew := peak(t, func() {
				kept, err := m.Keep(c.file)
				if err != nil {
					t.Fatal(err)
				}
				defer kept.Drop()
				_, err = m.Start(t.Context(), room, by, kept, catalog.StartOptions{})
				if x := fault.Of(err); x == nil || x.Kind != fault.KindInvalid || x.Field != "/file" || !strings.Contains(x.Message, c.says) {
					t.Errorf("%s: %v", c.name, err)
				}
			})
			if grew > 24<<20 {
				t.Errorf("%s took %d MB", c.name, grew>>20)
			}
		}
		if n := files(t, dir); n != 0 {
			t.Errorf("%d files are left", n)
		}
		if list, err := catalog.ListImports.Do(t.Context(), room, by, op.Page{}); err != nil || len(list.Items) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// What is wrong inside a file costs its own rows, says where, and takes no
// more memory than a row may.
func TestRowsThatAreRefused(t *testing.T) {
	const head, first, last = "Handle,Title,Price\n", "first,First,1\n", "last,Last,2\n"
	embedded(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		for i, c := range []struct {
			name, says string
			line       int
			cost       shopify.Part
			file       io.Reader
		}{
			{"a long field", "longer than 1 MB", 3, shopify.RowPart, text(head, first, "mug,", "x", big, ",1\n", last)},
			{"a long quoted field", "longer than 1 MB", 3, shopify.RowPart, text(head, first, "mug,\"", "x", big, "\",1\n", last)},
			{"a field of 600 kB", "longer than 512 KB", 3, shopify.RowPart, text(head, first, "mug,", "x", 600<<10, ",1\n", last)},
			{"zeros late in the file", "not text", 70_003, shopify.RowPart, text(head, first, "\n", 70_000, "mug,M\x00g,1\n", last)},
			{"megabytes of zeros", "longer than 1 MB", 3, shopify.RowPart, text(head, first, "mug,Mug", strings.Repeat(" ", 70_000), "\x00", big, "\n", last)},
			{"10,000 values in a row", "under no column name", 3, shopify.NoPart, text(head, first, "mug,Mug,1", ",x", 20_000, "\n", last)},
			{"a title of 600 characters", "longer than 255", 3, shopify.ProductPart, text(head, first, "mug,", "x", 600, ",1\n", last)},
			{"100,000 lines of rubbish", "neither a handle nor a title", 2, shopify.RowPart, text(head, ",,9\n", 400_000, first, last)},
		} {
			var got catalog.Import
			grew := peak(t, func() {
				kept, err := m.Keep(c.file)
				if err != nil {
					t.Fatal(err)
				}
				defer kept.Drop()
				begun, err := m.Start(t.Context(), room, by, kept, catalog.StartOptions{})
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				got = until(t, room, begun.ID, ended)
			})
			if got.Status != catalog.ImportDone || got.Rows != got.RowsDone || got.Errors == 0 {
				t.Errorf("%s: %+v", c.name, got)
			}
			said(t, got, c.line, c.cost, c.says)
			if i == 0 && got.Products.Created != 2 || i > 0 && got.Products.Updated < 2 {
				t.Errorf("%s: %+v", c.name, got.Products)
			}
			if grew > 24<<20 {
				t.Errorf("%s took %d MB", c.name, grew>>20)
			}
		}
	})
}

func TestEncodings(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		const file = "Handle,Title,Price\ncafe,Café – “Olé”,5\n"
		encode := func(e interface {
			Bytes([]byte) ([]byte, error)
		}) []byte {
			b, err := e.Bytes([]byte(file))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		for name, b := range map[string][]byte{
			"Windows-1252":                     encode(charmap.Windows1252.NewEncoder()),
			"UTF-16, little-endian, no mark":   encode(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder()),
			"UTF-16, big-endian, with a mark":  encode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()),
			"UTF-8 with a stray byte":          bytes.Replace([]byte(file), []byte("é – “Ol"), []byte("\xe9 – “Ol"), 1),
			"UTF-8 with a mark and old breaks": []byte("\xef\xbb\xbf" + strings.ReplaceAll(file, "\n", "\r")),
		} {
			if got := runImport(t, m, room, by, b, false); got.Errors != 0 || got.Products.Created+got.Products.Updated != 1 || got.Rows != 1 {
				t.Errorf("%s: %+v", name, got)
			}
			if p := product(t, room, by, "cafe"); p.Title != "Café – “Olé”" {
				t.Errorf("%s: %q", name, p.Title)
			}
		}
		// UTF-16 cut off in the middle of a sign is read as far as it goes.
		b := encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder())
		if got := runImport(t, m, room, by, b[:len(b)-1], false); got.Status != catalog.ImportDone || got.RowsDone != got.Rows {
			t.Errorf("cut off: %+v", got)
		}
	})
}
