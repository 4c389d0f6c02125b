package shopify

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func write(t interface{ Fatal(...any) }, drafts []Draft) []byte {
	var x Extras
	for i := range drafts {
		x.Add(&drafts[i])
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, WriterOptions{Currency: "INR", Extra: x.Columns()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range drafts {
		if err := w.Write(&drafts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bare takes off what depends on the place in the file, and what Writer cannot
// say: that a value is unset.
func bare(drafts []Draft) []Draft {
	out := make([]Draft, len(drafts))
	for i, d := range drafts {
		d.Ordinal, d.FirstLine, d.LastLine, d.Columns = 0, 0, 0, nil
		d.Category.Set, d.Options.Set = true, true
		vs, is := append([]Variant(nil), d.Variants...), append([]Image(nil), d.Images...)
		for j := range vs {
			vs[j].Line, vs[j].Columns = 0, nil
			vs[j].Cost.Set, vs[j].TaxCode.Set = true, true
			for _, b := range []*Opt[string]{&vs[j].SKU, &vs[j].ImageURL, &vs[j].Barcode} {
				b.Set = true
			}
		}
		for j := range is {
			is[j].Line, is[j].Alt.Set = 0, true
		}
		d.Variants, d.Images = vs, is
		out[i] = d
	}
	return out
}

// again writes drafts and reads them, and wants the same.
func again(t *testing.T, drafts []Draft) {
	t.Helper()
	got, errs := readAll(t, bytes.NewReader(write(t, drafts)))
	if len(errs) > 0 {
		t.Errorf("written file: %v", errs)
	}
	a, b := bare(drafts), bare(got)
	if len(a) != len(b) {
		t.Fatalf("%d products became %d", len(a), len(b))
	}
	for i := range a {
		if !reflect.DeepEqual(a[i], b[i]) {
			t.Errorf("was %+v\nis  %+v", a[i], b[i])
		}
	}
}

func TestFixturesAgain(t *testing.T) {
	for _, name := range []string{"testdata/current.csv", "testdata/legacy.csv"} {
		drafts, _ := readAll(t, open(t, name))
		again(t, drafts)
	}
}

func TestWriteThenRead(t *testing.T) {
	word := rapid.StringMatching(`[A-Za-zÀ-ÿक-ह0-9"'=+@;,.\n&<>]{0,12}[A-Za-zक-ह]`)
	line := rapid.Custom(func(t *rapid.T) string { return strings.TrimSpace(word.Draw(t, "word")) })
	maybe := rapid.OneOf(rapid.Just(""), line)
	raw := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"", " ", "\n", "\t", "\""}).Draw(t, "lead") + word.Draw(t, "word") + rapid.SampledFrom([]string{"", " ", "\n", ","}).Draw(t, "tail")
	})
	bools := rapid.Custom(func(t *rapid.T) Opt[bool] { return Some(rapid.Bool().Draw(t, "bool")) })
	amount := rapid.Custom(func(t *rapid.T) Opt[int64] { return Some(rapid.Int64Range(0, 1e12).Draw(t, "amount")) })
	extra := func(t *rapid.T, columns ...string) map[string]string {
		m := rapid.MapOfN(rapid.SampledFrom(columns), raw, 0, len(columns)).Draw(t, "extra")
		if len(m) == 0 {
			return nil
		}
		return m
	}
	tags := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zक-ह]{1,6}( [a-z]+)?`), 0, 4, rapid.ID[string])
	draft := func(t *rapid.T, n int) Draft {
		d := Draft{
			Handle: fmt.Sprintf("%s-%d", rapid.StringMatching(`[a-zक-ह][a-z0-9_-]{0,9}`).Draw(t, "handle"), n),
			Title:  Some(line.Draw(t, "title")), DescriptionHTML: Some(rapid.OneOf(rapid.Just(""), raw).Draw(t, "html")),
			Vendor: Some(maybe.Draw(t, "vendor")), Type: Some(maybe.Draw(t, "type")), Category: Some(maybe.Draw(t, "category")),
			Tags: Some([]string(nil)), Status: Some(rapid.SampledFrom([]Status{Active, Hidden, Archived}).Draw(t, "status")),
			Published: bools.Draw(t, "published"), GiftCard: bools.Draw(t, "gift"), SEOTitle: Some(maybe.Draw(t, "seo")),
			SEODescription: Some(maybe.Draw(t, "seo description")), Options: Some([]string(nil)),
			Extra: extra(t, "Google Shopping / Gender", "Color (product.metafields.shopify.color-pattern)", "Fabric", "मूल"),
		}
		if list := tags.Draw(t, "tags"); len(list) > 0 {
			d.Tags.Value = list
		}
		options := rapid.IntRange(0, 3).Draw(t, "options")
		for i := range options {
			d.Options.Value = append(d.Options.Value, fmt.Sprintf("%s %d", line.Draw(t, "option"), i))
		}
		variants := rapid.IntRange(1, 5).Draw(t, "variants")
		if options == 0 {
			variants = 1
		}
		for i := range variants {
			v := Variant{
				SKU: Some(maybe.Draw(t, "sku")), Barcode: Some(maybe.Draw(t, "barcode")), Price: amount.Draw(t, "price"),
				CompareAt: amount.Draw(t, "compare"), Cost: amount.Draw(t, "cost"), WeightGrams: Some(rapid.Int64Range(0, 1e6).Draw(t, "grams")),
				Tracked: bools.Draw(t, "tracked"), Quantity: Some(rapid.Int64Range(-10, 1e6).Draw(t, "quantity")), Continue: bools.Draw(t, "policy"),
				RequiresShipping: bools.Draw(t, "ships"), Taxable: bools.Draw(t, "taxed"), TaxCode: Some(maybe.Draw(t, "code")), ImageURL: Some(""),
				Extra: extra(t, "Weight unit for display", "Unit price base measure", "Price / International"),
			}
			if rapid.Bool().Draw(t, "pictured") {
				v.ImageURL.Value = fmt.Sprintf("https://images.example.com/v%d.jpg?v=1,2", i)
			}
			for range options {
				v.Options = append(v.Options, fmt.Sprintf("%s %d", line.Draw(t, "value"), i))
			}
			d.Variants = append(d.Variants, v)
		}
		for i := range rapid.IntRange(0, 7).Draw(t, "images") {
			d.Images = append(d.Images, Image{URL: fmt.Sprintf("https://images.example.com/%d-%d.jpg", n, i),
				Position: rapid.IntRange(0, 9).Draw(t, "position"), Alt: Some(maybe.Draw(t, "alt"))})
		}
		return d
	}
	rapid.Check(t, func(t *rapid.T) {
		var want []Draft
		for n := range rapid.IntRange(1, 4).Draw(t, "products") {
			want = append(want, draft(t, n))
		}
		text := write(t, want)
		r, err := NewReader(bytes.NewReader(text), Options{Currency: "INR"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			it, err := r.Next()
			if err != nil || len(it.Errors) > 0 {
				t.Fatalf("%v %v\n%s", err, it.Errors, text)
			}
			got := *it.Draft
			if got.Ordinal != i {
				t.Fatalf("ordinal %d", got.Ordinal)
			}
			got.Ordinal, got.FirstLine, got.LastLine, got.Columns = 0, 0, 0, nil
			for j := range got.Variants {
				got.Variants[j].Line, got.Variants[j].Columns = 0, nil
			}
			for j := range got.Images {
				got.Images[j].Line = 0
			}
			if !reflect.DeepEqual(got, want[i]) {
				t.Fatalf("got  %+v\nwant %+v\n%s", got, want[i], text)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Fatal(err)
		}
	})
}

func TestWriterRefuses(t *testing.T) {
	ok := Draft{Handle: "a", Title: Some("A"), Variants: []Variant{{Price: Some[int64](100)}}}
	for name, change := range map[string]func(*Draft){
		"continued": func(d *Draft) { d.Continued = true },
		"no title":  func(d *Draft) { d.Title = Opt[string]{} },
		"no price":  func(d *Draft) { d.Variants = []Variant{{}} },
		"values":    func(d *Draft) { d.Variants = []Variant{{Price: Some[int64](1), Options: []string{"S"}}} },
		"extra":     func(d *Draft) { d.Extra = map[string]string{"Fabric": "Silk"} },
		"options":   func(d *Draft) { d.Options = Some([]string{"a", "b", "c", "d"}); d.Variants = nil },
	} {
		w, err := NewWriter(io.Discard, WriterOptions{Currency: "INR"})
		if err != nil {
			t.Fatal(err)
		}
		d := ok
		if err := w.Write(&d); err != nil {
			t.Fatal(err)
		}
		if change(&d); w.Write(&d) == nil {
			t.Errorf("%s: written", name)
		}
	}
	for _, column := range []string{"sku", "Fabric (twice)", "", "Option4 value", "status"} {
		if _, err := NewWriter(io.Discard, WriterOptions{Currency: "INR", Extra: []string{"Fabric (twice)", column}}); err == nil {
			t.Errorf("%q taken", column)
		}
	}
}
