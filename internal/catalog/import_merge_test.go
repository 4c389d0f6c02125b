package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"haat/internal/catalog"
	"haat/internal/catalog/shopify"
	"haat/internal/fleet"
	"haat/internal/op"
)

// said finds what an import said of a line.
func said(t *testing.T, i catalog.Import, line int, cost shopify.Part, part string) {
	t.Helper()
	for _, e := range i.RowErrors {
		if e.Line == line && e.Skipped == cost && strings.Contains(e.Message, part) {
			return
		}
	}
	t.Errorf("line %d is not said to cost %q for “%s”: %+v", line, cost, part, i.RowErrors)
}

func TestAProductWithoutPriceIsADraft(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		take := func(text string) catalog.Import { return runImport(t, m, room, by, []byte(text), false) }
		const names = "Handle,Title\nmug,Mug\nbowl,Bowl\n"
		got := take(names)
		if got.Products.Created != 2 || got.Products.Skipped != 0 || len(got.RowErrors) != 2 {
			t.Errorf("%+v", got)
		}
		said(t, got, 2, shopify.NoPart, "kept as a draft")
		said(t, got, 3, shopify.NoPart, "kept as a draft")
		for _, h := range []string{"mug", "bowl"} {
			if p := product(t, room, by, h); p.Status != catalog.Draft || len(p.Variants) != 1 || p.Variants[0].Price.Amount != 0 {
				t.Errorf("%+v", p)
			}
		}
		// Nor does it go on sale when the file comes again and calls it active.
		got = take("Handle,Title,Status\nmug,Mug,active\n")
		if p := product(t, room, by, "mug"); p.Status != catalog.Draft {
			t.Errorf("%+v, %+v", p, got)
		}
		if got = take("Handle,Price,Status\nmug,449,active\n"); got.Errors != 0 || got.Products.Updated != 1 {
			t.Errorf("%+v", got)
		}
		if p := product(t, room, by, "mug"); p.Status != catalog.Active || p.Variants[0].Price.Amount != 449_00 {
			t.Errorf("%+v", p)
		}
		// A blank price keeps what there is, and is told.
		got = take("Handle,Title,Variant Price,SKU\nmug,Mug,,M1\nlamp,Lamp,,L1\nfree,Free sample,0,F1\n")
		said(t, got, 2, shopify.NoPart, "price is missing")
		said(t, got, 3, shopify.NoPart, "kept as a draft")
		if p := product(t, room, by, "mug"); p.Status != catalog.Active || p.Variants[0].Price.Amount != 449_00 || p.Variants[0].SKU != "M1" {
			t.Errorf("%+v", p)
		}
		if p := product(t, room, by, "lamp"); p.Status != catalog.Draft {
			t.Errorf("%+v", p)
		}
		if p := product(t, room, by, "free"); p.Status != catalog.Active {
			t.Errorf("a price of 0 that the file gives: %+v", p)
		}
		// A variant without price does not join a product that is on sale.
		got = take("Handle,Title,Option1 Name,Option1 Value,Price\nshirt,Shirt,Size,S,100\n")
		got = take("Handle,Title,Option1 Name,Option1 Value,Price\nshirt,Shirt,Size,S,100\nshirt,,,M,\n")
		said(t, got, 3, shopify.VariantPart, "needs a price")
		if p := product(t, room, by, "shirt"); len(p.Variants) != 1 {
			t.Errorf("%+v", p)
		}
	})
}

func TestBlankColumnsClear(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		take := func(text string) {
			t.Helper()
			if got := runImport(t, m, room, by, []byte(text), false); got.Errors != 0 {
				t.Errorf("%+v", got)
			}
		}
		take("Handle,Title,Price,Fabric,Care,Price / India,Weight unit for display\nmug,Mug,10,silk,cold,9,kg\n")
		extra := func() string {
			t.Helper()
			e := product(t, room, by, "mug").Extra
			rest := strings.Split(export(t, m, room), "\n")
			return fmt.Sprint(e["Fabric"], "|", e["Care"], "|", strings.Contains(rest[0], "Price / India"), "|", strings.Contains(rest[1], ",kg,"))
		}
		if got := extra(); got != "silk|cold|true|true" {
			t.Errorf("at first %s", got)
		}
		take("Handle,Title,Price,Care\nmug,Mug,10,cold\n")
		if got := extra(); got != "silk|cold|true|true" {
			t.Errorf("columns that are absent: %s", got)
		}
		take("Handle,Title,Price,Fabric,Price / India\nmug,Mug,10,,\n")
		if got := extra(); got != "|cold|false|true" {
			t.Errorf("columns that are blank: %s", got)
		}
		take("Handle,Title,Price,Weight unit for display,Care\nmug,Mug,10\n")
		if got := extra(); got != "|cold|false|true" {
			t.Errorf("a row that ends before its columns: %s", got)
		}
	})
}

func TestPricesAloneForSeveralVariants(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		create(t, room, by, shirt()) // kantha-shirt: KS-0 to KS-3
		create(t, room, by, simple("Mug", 5_00, 1))
		file := "Handle,SKU,Price\n" +
			"kantha-shirt,KS-2,777\n" +
			"kantha-shirt,KS-9,1\n" +
			"kantha-shirt,,2\n" +
			"kantha-shirt,KS-0,888\n" +
			"mug,M-1,9\n"
		got := runImport(t, m, room, by, []byte(file), false)
		if got.Products.Updated != 2 || got.Products.Skipped != 0 || got.Errors != 2 || got.Variants != 3 {
			t.Errorf("%+v", got)
		}
		said(t, got, 3, shopify.VariantPart, "none of them has the SKU “KS-9”. Give the values of Size, Colour")
		said(t, got, 4, shopify.VariantPart, "does not say which of them it means")
		var prices []int64
		for _, v := range product(t, room, by, "kantha-shirt").Variants {
			prices = append(prices, v.Price.Amount)
		}
		if want := "[88800 11000 77700 13000]"; fmt.Sprint(prices) != want {
			t.Errorf("prices %v, want %s", prices, want)
		}
		if p := product(t, room, by, "mug"); p.Variants[0].Price.Amount != 9_00 || p.Variants[0].SKU != "M-1" {
			t.Errorf("%+v", p)
		}
		// The header of a whole export, its options left blank, leaves the
		// options alone; the words for “no options” do not.
		got = runImport(t, m, room, by, []byte("Handle,Option1 name,Option1 value,SKU,Price\nkantha-shirt,,,KS-1,5\n"), false)
		if p := product(t, room, by, "kantha-shirt"); got.Errors != 0 || len(p.Variants) != 4 || len(p.Options) != 2 || p.Variants[1].Price.Amount != 5_00 {
			t.Errorf("%+v, %+v", got, p)
		}
		// A part of the variants keeps its places among the others.
		got = runImport(t, m, room, by, []byte("Handle,Option1 name,Option1 value,Option2 name,Option2 value,Price\nkantha-shirt,Size,M,Colour,Red,6\nkantha-shirt,,S,,Red,7\nkantha-shirt,,L,,Red,8\n"), false)
		p := product(t, room, by, "kantha-shirt")
		var titles []string
		for _, v := range p.Variants {
			titles = append(titles, v.Title)
		}
		if want := "M / Red, S / Blue, S / Red, M / Blue, L / Red"; got.Errors != 0 || strings.Join(titles, ", ") != want {
			t.Errorf("%+v: %q, want %s", got, titles, want)
		}
		// A new product without options has one variant.
		got = runImport(t, m, room, by, []byte("Handle,Title,SKU,Price\npen,Pen,A,1\npen,,B,2\n"), false)
		said(t, got, 3, shopify.VariantPart, "one variant only")
		if p := product(t, room, by, "pen"); len(p.Variants) != 1 || p.Variants[0].SKU != "A" {
			t.Errorf("%+v", p)
		}
	})
}

func TestCounts(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		file := "Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant Price,Variant Grams\n" +
			"mug,Mug,\"one\ntwo\n\nthree\",Size,S,1,\n" + // one row of four lines
			"\n" + // none
			"bad,Bad,,Size,S,x,y\n" + // two errors, one product
			"bad,,,,M,z,\n" +
			"\"bro\"ken,row,,,,,\n" +
			"late,Late,,,,1,\n" +
			"mug,,,,M,2,\n" // more of the mug
		for _, dry := range []bool{true, false} {
			got := runImport(t, m, room, by, []byte(file), dry)
			if got.Rows != 6 || got.RowsDone != 6 || got.Products != (catalog.ImportCounts{Created: 2, Skipped: 1}) || got.Errors != 4 {
				t.Errorf("dry %t: %+v", dry, got)
			}
			said(t, got, 9, shopify.RowPart, "quotation mark")
		}
		got := runImport(t, m, room, by, []byte(file), false)
		if got.Products != (catalog.ImportCounts{Updated: 2, Skipped: 1}) || got.RowsDone != got.Rows {
			t.Errorf("again: %+v", got)
		}
		for _, b := range slices.Concat(samples(t), fixtures(t)) {
			if got := runImport(t, m, room, by, b, false); got.Rows == 0 || got.RowsDone != got.Rows {
				t.Errorf("%+v", got)
			}
		}
	})
}

func TestTheFirstImagesOfMany(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		file := func(from, to int) []byte {
			var b strings.Builder
			b.WriteString("Handle,Title,Price,Image Src\nmug,Mug,1,\n")
			for i := from; i < to; i++ {
				fmt.Fprintf(&b, "mug,,,https://x.example/%d.jpg\n", i)
			}
			return []byte(b.String())
		}
		got := runImport(t, m, room, by, file(0, 254), false)
		said(t, got, 253, shopify.ImagePart, "up to 250 images")
		if p := product(t, room, by, "mug"); got.Products.Created != 1 || got.Errors != 1 || len(p.Images) != 250 || p.Images[249].Source != "https://x.example/249.jpg" {
			t.Errorf("%+v, %d images", got, len(p.Images))
		}
		got = runImport(t, m, room, by, file(240, 260), false) // ten it has, ten too many
		said(t, got, 13, shopify.ImagePart, "250 images")
		if p := product(t, room, by, "mug"); got.Products.Updated != 1 || got.Errors != 1 || len(p.Images) != 250 {
			t.Errorf("%+v, %d images", got, len(p.Images))
		}
	})
}

// A file that says what is there already changes nothing.
func TestTheSameAgainChangesNothing(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		m := importer(t, f)
		for _, file := range slices.Concat(samples(t), fixtures(t)) {
			runImport(t, m, room, by, file, false)
			first := export(t, m, room)
			size, err := room.Size(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			again := runImport(t, m, room, by, file, false)
			if now, err := room.Size(t.Context()); err != nil || now.Events != size.Events {
				t.Errorf("%d events more, %v", now.Events-size.Events, err)
			}
			if again.Products.Created != 0 || again.Products.Updated == 0 || export(t, m, room) != first {
				t.Errorf("%+v", again)
			}
		}
		// A change of the stock alone is one.
		runImport(t, m, room, by, []byte("Handle,Title,Price,Variant Inventory Tracker,Variant Inventory Qty\nmug,Mug,1,shopify,5\n"), false)
		runImport(t, m, room, by, []byte("Handle,Title,Price,Variant Inventory Tracker,Variant Inventory Qty\nmug,Mug,1,shopify,6\n"), false)
		if p := product(t, room, by, "mug"); p.Variants[0].Available != 6 {
			t.Errorf("%+v", p)
		}
	})
}
