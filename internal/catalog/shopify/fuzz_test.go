package shopify

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
)

func FuzzReader(f *testing.F) {
	for _, name := range []string{"testdata/current.csv", "testdata/legacy.csv"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{
		"Handle,Title,Price\na,A,1\na,,2\n,B,3\nb,\"B\" x,4\na,,5\n", "\xef\xbb\xbfTitle;Price\r\nCaf\xe9;9,99\r\n",
		"\xff\xfeT\x00i\x00t\x00l\x00e\x00\n\x00A\x00", "Title\rA\rB\r", "Title,Option1 name,Option1 value,Option4 value\nA,,S,X\n", "Title,\"x\ny\",\nA,\"1\n2\n3\",\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := NewReader(bytes.NewReader(in), Options{Currency: "INR"})
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		ordinal, line := -1, 0
		for {
			it, err := r.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range it.Errors {
				if e.Line < 1 || e.Message == "" {
					t.Fatalf("%+v", e)
				}
			}
			d := it.Draft
			if d == nil {
				if len(it.Errors) == 0 {
					t.Fatal("a product lost without a word")
				}
				continue
			}
			if d.Handle == "" || d.Ordinal <= ordinal || d.FirstLine <= line || d.LastLine < d.FirstLine || len(d.Options.Value) > 3 {
				t.Fatalf("%+v after ordinal %d, line %d", d, ordinal, line)
			}
			ordinal, line = d.Ordinal, d.LastLine
		}
	})
}

// catalogue writes the text of a file as it is read, so that the file itself
// takes no memory: products of 4 rows each.
type catalogue struct {
	rows, next int
	buf        bytes.Buffer
}

func (c *catalogue) Read(p []byte) (int, error) {
	for c.buf.Len() < len(p) && c.next <= c.rows {
		switch i := c.next - 1; {
		case i < 0:
			c.buf.WriteString(strings.Join(Legacy, ",") + "\n")
		case i%4 == 0:
			fmt.Fprintf(&c.buf, "product-%d,Product %d,\"<p>Made by hand, %s</p>\",Ghar,,Home,\"a, b\",true,Size,S%s,SKU-%d,100,shopify,5,deny,manual,499.00,599,true,true\n",
				i/4, i/4, strings.Repeat("with care ", 20), strings.Repeat(",", 7), i)
		default:
			fmt.Fprintf(&c.buf, "product-%d%s,M%d%s,SKU-%d,100,shopify,5,deny,manual,499.00,,true,true\n", i/4, strings.Repeat(",", 8), i%4, strings.Repeat(",", 7), i)
		}
		c.next++
	}
	return c.buf.Read(p)
}

func drain(t testing.TB, rows int) (products, variants int, r *Reader) {
	r, err := NewReader(&catalogue{rows: rows}, Options{Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	for {
		it, err := r.Next()
		if err == io.EOF {
			return products, variants, r
		}
		if err != nil || len(it.Errors) > 0 {
			t.Fatal(err, it.Errors)
		}
		products++
		variants += len(it.Draft.Variants)
	}
}

func TestMemoryStaysFlat(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, v, r := drain(t, 100_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if p != 25_000 || v != 100_000 {
		t.Errorf("%d products, %d variants", p, v)
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 4<<20 {
		t.Errorf("%d bytes kept after 100,000 rows", kept)
	}
	runtime.KeepAlive(r)
}

func BenchmarkRead100k(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if p, v, _ := drain(b, 100_000); p != 25_000 || v != 100_000 {
			b.Fatal(p, v)
		}
	}
}
