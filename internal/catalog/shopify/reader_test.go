package shopify

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"haat/internal/fault"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// readAll gives every draft and every error of a file.
func readAll(t testing.TB, in io.Reader) (drafts []Draft, errs []RowError) {
	t.Helper()
	r, err := NewReader(in, Options{Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	for {
		it, err := r.Next()
		if err == io.EOF {
			return drafts, errs
		}
		if err != nil {
			t.Fatal(err)
		}
		errs = append(errs, it.Errors...)
		if it.Draft != nil {
			drafts = append(drafts, *it.Draft)
		}
	}
}

func count(drafts []Draft) (products, variants, images int) {
	for _, d := range drafts {
		variants += len(d.Variants)
		images += len(d.Images)
	}
	return len(drafts), variants, images
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestCurrentFixture(t *testing.T) {
	drafts, errs := readAll(t, open(t, "testdata/current.csv"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if p, v, i := count(drafts); p != 5 || v != 9 || i != 4 {
		t.Fatalf("%d products, %d variants, %d images", p, v, i)
	}
	k := drafts[0]
	if !reflect.DeepEqual(k.Options, Some([]string{"Colour", "Size"})) || !reflect.DeepEqual(k.Tags.Value, []string{"Cotton", "Handmade", "Women"}) {
		t.Errorf("options %v, tags %v", k.Options, k.Tags)
	}
	if k.FirstLine != 2 || k.LastLine != 7 || k.Ordinal != 0 || drafts[1].FirstLine != 8 || drafts[4].Ordinal != 4 {
		t.Errorf("lines %d–%d, ordinals", k.FirstLine, k.LastLine)
	}
	want := Variant{Line: 6, Options: []string{"Madder", "M"}, SKU: Some("BPK-MAD-M"), Barcode: Some(""), Price: Some[int64](124900),
		CompareAt: Some[int64](159900), Cost: Some[int64](64000), WeightGrams: Some[int64](240), Tracked: Some(true), Quantity: Some[int64](-1),
		Continue: Some(true), RequiresShipping: Some(true), Taxable: Some(true), TaxCode: Some("6204"), ImageURL: Some(""),
		Extra: map[string]string{"Weight unit for display": "g", "Fulfillment service": "manual"}}
	want.Columns = k.Columns
	if !reflect.DeepEqual(k.Variants[3], want) {
		t.Errorf("got  %+v\nwant %+v", k.Variants[3], want)
	}
	if im := k.Images[2]; im.Position != 5 || im.Alt.Value != "The print, close up" || im.Line != 7 {
		t.Errorf("image row: %+v", im)
	}
	if k.Extra["Google Shopping / Gender"] != "Female" || k.Extra["Fabric (product.metafields.custom.fabric)"] != "Cotton" {
		t.Errorf("extra: %v", k.Extra)
	}
	if !strings.Contains(k.DescriptionHTML.Value, "</p>\n<p>") {
		t.Errorf("description: %q", k.DescriptionHTML.Value)
	}
	diya := drafts[1]
	if diya.Title.Value != "पीतल का दीया" || diya.Handle != "पीतल-का-दीया" || !diya.Options.Set || len(diya.Options.Value) > 0 ||
		len(diya.Variants[0].Options) > 0 || diya.Variants[0].WeightGrams.Value != 311 || diya.Variants[0].Tracked != Some(false) {
		t.Errorf("%+v", diya)
	}
	for i, s := range []Status{Active, Active, Active, Hidden, Archived} {
		if drafts[i].Status != Some(s) {
			t.Errorf("%s: status %v", drafts[i].Handle, drafts[i].Status)
		}
	}
	if v := drafts[2].Variants[0]; v.Extra["Unit price total measure"] != "10" || v.Quantity != Some[int64](0) || v.Tracked != Some(true) {
		t.Errorf("matka: %+v", v)
	}
	if d := drafts[3]; d.GiftCard != Some(true) || d.Variants[1].Options[0] != "₹1,000" || d.Variants[1].Price.Value != 100000 || d.Variants[1].RequiresShipping != Some(false) {
		t.Errorf("gift card: %+v", d)
	}
}

func TestLegacyFixture(t *testing.T) {
	drafts, errs := readAll(t, open(t, "testdata/legacy.csv"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if p, v, i := count(drafts); p != 4 || v != 5 || i != 6 {
		t.Fatalf("%d products, %d variants, %d images", p, v, i)
	}
	d := drafts[0]
	if d.Extra["Google Shopping / Manufacturer part number (MPN)"] != "SCT" || d.Extra["Included / India"] != "true" || d.Variants[1].Extra["Price / International"] != "185.00" {
		t.Errorf("extra: %v, %v", d.Extra, d.Variants[1].Extra)
	}
	if drafts[1].Status != Some(Active) || drafts[3].Status != Some(Hidden) || drafts[3].Variants[0].Price.Value != 235000 {
		t.Errorf("%+v", drafts[3])
	}
}

// samples finds the real exports, which are not part of this repository. Where
// they are missing the test says so and ends, unless CI demands them.
func samples(t *testing.T) string {
	if dir := os.Getenv("HAAT_SAMPLES"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if s := filepath.Join(dir, "shared", "data", "shopify"); exists(s) {
			return s
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the real Shopify exports are missing: set HAAT_SAMPLES to their folder")
	}
	t.Log("the real Shopify exports are not here, nothing tested")
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func sample(t *testing.T, dir, name string) string {
	if p := filepath.Join(dir, "shopify", name); exists(p) {
		return p
	}
	return filepath.Join(dir, name)
}

func TestRealExports(t *testing.T) {
	dir := samples(t)
	if dir == "" {
		return
	}
	for _, c := range []struct {
		name                               string
		products, variants, images, shares int
		tracked                            string
	}{
		{"apparel.csv", 20, 22, 20, 1, ""},
		{"home-and-garden.csv", 20, 21, 21, 1, "biodegradable-cardboard-pots"},
	} {
		drafts, errs := readAll(t, open(t, sample(t, dir, c.name)))
		if len(errs) > 0 {
			t.Errorf("%s: %v", c.name, errs)
		}
		if p, v, i := count(drafts); p != c.products || v != c.variants || i != c.images {
			t.Errorf("%s: %d products, %d variants, %d images", c.name, p, v, i)
		}
		several, tracked := 0, ""
		for _, d := range drafts {
			if len(d.Options.Value) > 0 {
				several++
			}
			for _, v := range d.Variants {
				if v.Tracked.Value {
					tracked += d.Handle
				}
				if !v.Price.Set || v.Price.Value <= 0 {
					t.Errorf("%s: %s has no price", c.name, d.Handle)
				}
			}
			if d.Status != Some(Active) || d.Continued {
				t.Errorf("%s: %s: %v", c.name, d.Handle, d.Status)
			}
		}
		if several != c.shares || tracked != c.tracked {
			t.Errorf("%s: %d products with options, tracked: %q", c.name, several, tracked)
		}
		again(t, drafts)
	}
}

func TestEncodings(t *testing.T) {
	text := "Handle,Title,Variant Price,Vendor\r\ncafe,Café “Olé” – 5 €,10,\"Açaí, Ltd\"\r\n"
	latin, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	late := "Handle,Title,Variant Price,Vendor\n" + strings.Repeat("\n", 200_000) + latin[strings.Index(latin, "cafe"):]
	utf16 := func(e unicode.Endianness, b unicode.BOMPolicy) string {
		s, err := unicode.UTF16(e, b).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, in := range map[string]string{
		"UTF-8": text, "mark": "\ufeff" + text, "1252": latin, "1252 late": late,
		"LE": utf16(unicode.LittleEndian, unicode.UseBOM), "BE": utf16(unicode.BigEndian, unicode.UseBOM),
		"LE bare": utf16(unicode.LittleEndian, unicode.IgnoreBOM), "BE bare": utf16(unicode.BigEndian, unicode.IgnoreBOM),
		"semicolons": strings.ReplaceAll(strings.ReplaceAll(text, ",", ";"), ";\"Açaí; Ltd", ";\"Açaí, Ltd"),
		"tabs":       strings.ReplaceAll(strings.ReplaceAll(text, ",", "\t"), "Açaí\t Ltd", "Açaí, Ltd"),
		"old Mac":    strings.ReplaceAll(text, "\r\n", "\r"),
	} {
		drafts, errs := readAll(t, strings.NewReader(in))
		if len(errs) > 0 || len(drafts) != 1 || drafts[0].Title.Value != "Café “Olé” – 5 €" || drafts[0].Vendor.Value != "Açaí, Ltd" {
			t.Errorf("%s: %+v %v", name, drafts, errs)
		}
	}
}

func TestNotAShopifyFile(t *testing.T) {
	for want, in := range map[string]string{
		"empty.":          " \n\n",
		"no products":     "Handle,Title\n\n,,\n",
		"Excel":           "PK\x03\x04\x14\x00rest",
		"picture":         "\x89PNG\r\n\x1a\n\x00\x00",
		"not a text file": "abc\x00\x01\x00\x00\x00,def\n",
		"name the col":    "<!DOCTYPE html>\n<html>\n",
		"begins with":     "Vendor,Price\nx,1\n",
		"cannot be read":  "\"Handle,Title\nx,1\n",
	} {
		_, err := NewReader(strings.NewReader(in), Options{Currency: "INR"})
		if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || !strings.Contains(f.Message, want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if _, err := NewReader(strings.NewReader("Title\nx\n"), Options{Currency: "rupees"}); err == nil || fault.Of(err) != nil {
		t.Errorf("currency: %v", err)
	}
	broken := errors.New("disk gone")
	if _, err := NewReader(io.MultiReader(strings.NewReader("Title\n"), errReader{broken}), Options{Currency: "INR"}); !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestRowErrors(t *testing.T) {
	const head = "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant Price,Image Src,Status,Variant SKU\n"
	for _, c := range []struct {
		name, rows             string
		errs                   []string // "line column skipped: part of the message"
		products, vars, images int
	}{
		{"bad variant", "a,A,Size,S,,,10,,,\na,,,M,,,ten,,,\na,,,L,,,12,,,\n", []string{"3 Variant Price variant: “ten” is not an amount"}, 1, 2, 0},
		{"bad first row", "a,A,Size,S,,,-1,,,\na,,,M,,,10,,,\nb,B,,,,,5,,,\n", []string{"2 Variant Price product: below zero"}, 1, 1, 0},
		{"decimal comma", "a,A,,,,,\"9,99\",,,\n", []string{"2 Variant Price product: comma"}, 0, 0, 0},
		{"decimals", "a,A,,,,,9.999,,,\n", []string{"2 Variant Price product: more decimals"}, 0, 0, 0},
		{"no price", "a,A,Size,S,,,,,,\n", []string{"2 Variant Price : price is missing"}, 1, 1, 0},
		{"no price but SKU", "a,A,,,,,,,,X1\n", []string{"2 Variant Price : price is missing"}, 1, 1, 0},
		{"variants by SKU", "a,A,,,,,10,,,X1\na,,,,,,11,,,X2\na,,,,,,12,,,X1\na,,,,,,13,,,\na,,,,,,14,,,\n",
			[]string{"4 Variant SKU variant: “X1” is on line 2", "6 Option1 Value variant: on line 5"}, 1, 3, 0},
		{"title only", "a,A,,,,,,,,\n", nil, 1, 0, 0},
		{"twice", "a,A,Size,S,,,10,,,\na,,,s,,,10,,,\n", []string{"3 Option1 Value variant: on line 2 already"}, 1, 1, 0},
		{"twice without options", "a,A,Title,Default Title,,,10,,,\na,,,,,,11,,,\n", []string{"3 Option1 Value variant: no options"}, 1, 1, 0},
		{"unnamed option", "a,A,Size,S,,,10,,,\na,,,M,,Red,10,,,\n", []string{"3 Option2 Value variant: gives that option no name"}, 1, 1, 0},
		{"missing value", "a,A,Size,S,Colour,Red,10,,,\na,,,M,,,10,,,\n", []string{"3 Option2 Value variant: “Colour” is missing"}, 1, 1, 0},
		{"options alike", "a,A,Size,S,size,S,10,,,\n", []string{"2 Option2 Name product: Two options"}, 0, 0, 0},
		{"image rows", "a,A,,,,,10,https://x.example/1.jpg,,\na,,,,,,,https://x.example/2.jpg,,\na,,,,,,,https://x.example/2.jpg,,\na,,,,,,,file:///etc/passwd,,\n",
			[]string{"5 Image Src image: not a web address"}, 1, 1, 2},
		{"SKU on an image row", "a,A,,,,,10,,,\na,,,,,,,https://x.example/2.jpg,,X9\n", []string{"3 Variant SKU : “X9” is ignored"}, 1, 1, 1},
		{"empty row", "a,A,,,,,10,,,\na,,,,,,,,,\n", []string{"3  row: adds nothing"}, 1, 1, 0},
		{"no title", "a,,,,,,10,,,\nb,B,,,,,10,,,\n", []string{"2 Title product: title is missing"}, 1, 1, 0},
		{"no handle", ",Brass Lamp,,,,,10,,,\n,,,,,,11,,,\n,Brass lamp!,,,,,10,,,\n", []string{"3  row: neither a handle nor a title", "4 Title row: “brass-lamp”"}, 1, 1, 0},
		{"options without handle", ",Lamp,Size,S,,,10,,,\n", []string{"2 Handle product: needs a handle"}, 0, 0, 0},
		{"status", "a,A,,,,,10,,live,\nb,B,,,,,10,,unlisted,\n", []string{"2 Status product: “live”", "3 Status : draft"}, 1, 1, 0},
		{"differs", "a,A,Size,S,,,10,,,\na,A,Size,M,,,10,,,\na,B,,L,,,10,,,\n", []string{"4 Title : differs"}, 1, 3, 0},
		{"quote", "a,A,,,,,10,,,\nb,\"B\" x,,,,,10,,,\nc,C,,,,,10,,,\n", []string{"3  row: quotation mark"}, 2, 2, 0},
		{"quote over lines", "a,\"A\" x\nsome, stray\n,C,,,,,,,,\n", []string{"2  row: quotation mark", "3  row: rest of the broken row"}, 1, 0, 0},
		{"more values", "a,A,,,,,10,,,,stray\n", []string{"2  : column 11"}, 1, 1, 0},
		{"handle", "!!!,A,,,,,10,,,\n", []string{"2 Handle row: no letter"}, 0, 0, 0},
		{"name gap", "a,A,,,Size,S,10,,,\n", []string{"2 Option1 Name product: no name", "2 Option1 Value product: is missing"}, 0, 0, 0},
	} {
		drafts, errs := readAll(t, strings.NewReader(head+c.rows))
		p, v, i := count(drafts)
		if p != c.products || v != c.vars || i != c.images || len(errs) != len(c.errs) {
			t.Errorf("%s: %d products, %d variants, %d images, %q", c.name, p, v, i, errs)
			continue
		}
		for n, e := range errs {
			where, message, _ := strings.Cut(c.errs[n], ": ")
			if got := strings.Join([]string{strconv.Itoa(e.Line), e.Column, string(e.Skipped)}, " "); got != where || !strings.Contains(e.Message, message) {
				t.Errorf("%s: %q, %+v", c.name, got, e)
			}
		}
	}
}

func TestLateBytes(t *testing.T) {
	in := "Title,Price\n" + strings.Repeat("\n", 2*sampleSize) + "A\x00,1\nB,2\n"
	drafts, errs := readAll(t, strings.NewReader(in))
	if len(drafts) != 1 || len(errs) != 1 || errs[0].Line != 2*sampleSize+2 {
		t.Errorf("%v %v", drafts, errs)
	}
}

func TestUnclosedQuote(t *testing.T) {
	var b strings.Builder
	b.WriteString("Title,Price\nfirst,1\n\"open,2\n")
	for range 3 * maxRow / 10 {
		b.WriteString("filler,33\n")
	}
	b.WriteString("\"last\",4\n")
	r, err := NewReader(strings.NewReader(b.String()), Options{Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	it, err := r.Next()
	if err != nil || it.Draft == nil || len(it.Errors) != 1 || it.Errors[0].Line != 3 || it.Errors[0].Skipped != RowPart {
		t.Fatalf("%+v %v", it, err)
	}
	for {
		next, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		it = next
	}
	if want := 4 + 3*maxRow/10; it.Draft == nil || it.Draft.Handle != "last" || it.Draft.FirstLine != want {
		t.Fatalf("%+v, want line %d", it.Draft, want)
	}
}

func TestHandleComesAgain(t *testing.T) {
	drafts, errs := readAll(t, strings.NewReader("Handle,Title,Option1 Name,Option1 Value,Price,Image Src\n"+
		"a,A,Size,S,1,\nb,B,,,2,\na,,,M,3,https://x.example/a.jpg\nc,C,,,4,\nb,Other,,,5,\n"))
	if len(drafts) != 5 || len(errs) != 1 || errs[0].Line != 6 || errs[0].Skipped != NoPart {
		t.Fatalf("%+v %v", drafts, errs)
	}
	if d := drafts[2]; d.Handle != "a" || !d.Continued || d.Ordinal != 2 || d.Title.Set || d.Options.Set || d.Status.Set ||
		!reflect.DeepEqual(d.Variants[0].Options, []string{"M"}) || len(d.Images) != 1 {
		t.Errorf("%+v", d)
	}
	drafts, _ = readAll(t, strings.NewReader("Handle,Title,Price\na,,1\nb,B,2\na,A,3\n"))
	if len(drafts) != 2 || drafts[1].Continued || drafts[1].Ordinal != 2 {
		t.Errorf("after a skipped run: %+v", drafts)
	}
}

func TestPresence(t *testing.T) {
	drafts, errs := readAll(t, strings.NewReader("url HANDLE,Price,Vendor,Barcodes\nmug,99,,123\nlamp,5\n"))
	if len(errs) > 0 || len(drafts) != 2 {
		t.Fatalf("%v %v", drafts, errs)
	}
	d := drafts[0]
	v := d.Variants[0]
	if d.Title.Set || d.Status.Set || d.Options.Set || d.Tags.Set || d.Vendor != Some("") || v.Quantity.Set || v.CompareAt.Set ||
		v.Barcode != Some("123") || v.Price != Some[int64](9900) || v.Tracked.Set {
		t.Errorf("%+v", d)
	}
	if drafts[1].Vendor.Set || drafts[1].Variants[0].Barcode.Set {
		t.Errorf("a short row: %+v", drafts[1])
	}
	drafts, _ = readAll(t, strings.NewReader("Title,Price,Compare-at price,Charge tax,Requires shipping,Continue selling when out of stock,Inventory tracker,Status,Gift card\nMug,1,,,,,warehouse-x,,\n"))
	v = drafts[0].Variants[0]
	if v.CompareAt != Some[int64](0) || v.Taxable != Some(true) || v.RequiresShipping != Some(true) || v.Continue != Some(false) ||
		drafts[0].Status != Some(Active) || drafts[0].GiftCard != Some(false) || v.Tracked != Some(true) || v.Extra[trackerColumn] != "warehouse-x" {
		t.Errorf("blank: %+v", drafts[0])
	}
}

func TestHeaderOddities(t *testing.T) {
	r, err := NewReader(strings.NewReader("Title,SKU,,Variant SKU,Price,Colour,COLOUR,Option4 Name\nMug,a,stray,b,1,red,blue,\nCup,a,,b,1,red,blue,Depth\n"), Options{Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Extra(); !reflect.DeepEqual(got, []string{"Colour"}) || r.Generation() != CurrentFile {
		t.Errorf("extra %v, %s", got, r.Generation())
	}
	it, _ := r.Next()
	if len(it.Errors) != 2 || it.Errors[0].Column != "Variant SKU" || it.Errors[1].Column != "COLOUR" {
		t.Errorf("%v", it.Errors)
	}
	if it, _ = r.Next(); it.Draft == nil || len(it.Errors) != 1 || it.Draft.Variants[0].SKU.Value != "a" || it.Draft.Extra["Colour"] != "red" {
		t.Errorf("%+v", it)
	}
	if it, _ = r.Next(); it.Draft != nil || len(it.Errors) != 1 || it.Errors[0].Column != "Option4 Name" {
		t.Errorf("%+v", it)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	drafts, _ := readAll(t, strings.NewReader("Handle,Title\na,A\n"))
	if len(drafts) != 1 {
		t.Fatal(drafts)
	}
	r, err := NewReader(strings.NewReader("Handle,Title,Price\na,A,1\n"+strings.Repeat("a,,x\n", 500)), Options{Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	if it, err := r.Next(); err != nil || len(it.Errors) != maxErrors || it.More != 300 || len(it.Draft.Variants) != 1 {
		t.Errorf("%d errors and %d more, %v", len(it.Errors), it.More, err)
	}
}

func TestSlug(t *testing.T) {
	for title, want := range map[string]string{
		"Clay Plant Pot": "clay-plant-pot", "  Café—Olé! 5\" ": "cafe-ole-5", "Men’s T-Shirt": "mens-t-shirt",
		"पीतल का दीया": "पीतल-का-दीया", "a__b": "a-b", "!!!": "", "क्\u200dष": "क्ष",
	} {
		if got := Slug(title); got != want {
			t.Errorf("%q: %q", title, got)
		}
	}
}

func TestRowsAddUp(t *testing.T) {
	files := []string{
		"Title,Handle,Price\nA,a,1\n\n,a,\n,a,2\nB,b,3\nA,a,4\n,,\n",
		"Title,Handle,Price\n\"bro\"ken,x,1\nB,b,3\n\"bro\"ken,x,1\n,b,\nC,c,9\n",
		"Title,Handle,Price\nA,a,1",
		"Title,Title,Handle\nA,,a\n,,\n-,,-\n",
	}
	for _, name := range []string{"testdata/current.csv", "testdata/legacy.csv"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(b))
	}
	for _, text := range files {
		r, err := NewReader(strings.NewReader(text), Options{Currency: "INR"})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for {
			it, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			sum += it.Rows
		}
		n, err := CountRows(strings.NewReader(text))
		if err != nil || n != sum || n == 0 {
			t.Errorf("%.60q: items have %d rows, the file %d (%v)", text, sum, n, err)
		}
	}
}

// What a row says nothing of is told apart from what it leaves blank.
func TestColumnsReached(t *testing.T) {
	drafts, errs := readAll(t, strings.NewReader("Handle,Title,Price,Fabric,Inventory tracker,Price / India\na,A,1,silk,shopify,\nb,B,1,\nc,C,1\n"))
	if len(errs) > 0 || len(drafts) != 3 {
		t.Fatal(drafts, errs)
	}
	for i, want := range [][]string{{"Fabric", "Price / India", trackerColumn}, {"Fabric"}, nil} {
		if d := drafts[i]; !reflect.DeepEqual(d.Columns, want) || !reflect.DeepEqual(d.Variants[0].Columns, want) {
			t.Errorf("%s: %v, %v", d.Handle, d.Columns, d.Variants[0].Columns)
		}
	}
}

func TestAProductWithManyImages(t *testing.T) {
	var b strings.Builder
	b.WriteString("Handle,Title,Price,Image Src\n")
	for i := range maxImages + 5 {
		b.WriteString("a,A,")
		if i == 0 {
			b.WriteString("1")
		}
		b.WriteString(",https://x.example/" + strconv.Itoa(i) + ".jpg\n")
	}
	drafts, errs := readAll(t, strings.NewReader(b.String()))
	if len(drafts) != 1 || len(drafts[0].Images) != maxImages || len(errs) != 1 || errs[0].Line != maxImages+2 || errs[0].Skipped != ImagePart {
		t.Errorf("%d images, %v", len(drafts[0].Images), errs)
	}
}

// Blank option columns do not say that a product has no options.
func TestBlankOptionsAreNotSpokenOf(t *testing.T) {
	drafts, errs := readAll(t, strings.NewReader("Handle,Title,Option1 Name,Option1 Value,SKU,Price\na,A,,,X,1\na,A,,,Y,2\nb,B,Title,Default Title,,3\nc,C,Title,,,4\n"))
	if len(errs) > 0 || len(drafts) != 3 || len(drafts[0].Variants) != 2 || drafts[0].Options.Set || !drafts[1].Options.Set || !drafts[2].Options.Set {
		t.Errorf("%+v, %v", drafts, errs)
	}
}

func TestLostProducts(t *testing.T) {
	r, err := NewReader(strings.NewReader("Handle,Title,Option1 Name,Option1 Value,Price\na,A,Size,S,x\na,,,M,y\nb,B,Size,S,1\nc,,,,2\nb,,,M,x\n"), Options{Currency: "INR"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true, false} { // the last is more of b, which was given
		if it, err := r.Next(); err != nil || it.Lost != want || i != 1 && it.Draft != nil {
			t.Errorf("%d: %+v, %v", i, it, err)
		}
	}
}
