package catalog_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/op"
	"haat/internal/shop"
)

// goods writes products of four variants as a file, without holding it.
func goods(products int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := fmt.Fprintln(w, "Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Tracker,Variant Inventory Qty,Image Src")
		for i := range products {
			for j, size := range []string{"S", "M", "L", "XL"} {
				first := ",,,,,,"
				if j == 0 {
					first = fmt.Sprintf(`Product %d,"<p>Made by hand, %s</p>",Ghar,Home,"a, b",Size,`, i, strings.Repeat("with care ", 20))
				}
				if _, err = fmt.Fprintf(w, "product-%d,%s%s,SKU-%d-%d,%d.50,shopify,5,\n", i, first, size, i, j, 100+i%900); err != nil {
					w.CloseWithError(err)
					return
				}
			}
		}
		w.CloseWithError(err)
	}()
	return r
}

// BenchmarkImport takes 100,000 rows in, on SQLite. It tells rows a second and
// the most that the heap held.
func BenchmarkImport(b *testing.B) {
	const products = 25_000
	for b.Loop() {
		dir := b.TempDir()
		f := fleettest.OpenFleet(b, dir, filepath.Join(dir, "control.db"), "", schemas, nil)
		room := fleettest.NewShop(b, f, "test")
		if _, err := room.Change(b.Context(), func(tx *db.Tx) error {
			return shop.Write(b.Context(), tx, shop.Defaults("test", "IN", "INR"))
		}); err != nil {
			b.Fatal(err)
		}
		m := newImporter(b, f, b.TempDir())
		kept, err := m.Keep(goods(products))
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		var peak atomic.Uint64
		var done = make(chan struct{}, 2)
		go func() {
			t := time.NewTicker(5 * time.Millisecond)
			defer t.Stop()
			for s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}; ctx.Err() == nil; <-t.C {
				metrics.Read(s)
				peak.Store(max(peak.Load(), s[0].Value.Uint64()))
			}
			done <- struct{}{}
		}()
		by := op.Caller{Account: id.Account{1}, Shop: room.Shop()}
		begun, err := m.Start(b.Context(), room, by, kept, catalog.StartOptions{Name: "x.csv"})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		go m.WorkImages(ctx)
		go func() { m.Work(ctx); done <- struct{}{} }()
		var got catalog.Import
		for t := time.NewTicker(20 * time.Millisecond); got.Status != catalog.ImportDone; <-t.C {
			if got, err = catalog.ReadImport(b.Context(), room, begun.ID); err != nil || got.Status == catalog.ImportFailed {
				b.Fatal(got, err)
			}
		}
		took := time.Since(start)
		cancel()
		<-done
		<-done
		if got.Products.Created != products || got.Variants != 4*products || got.Errors != 0 {
			b.Fatalf("%+v", got)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(got.Rows)/took.Seconds(), "rows/s")
		b.ReportMetric(float64(peak.Load())/(1<<20), "peak-MB")
	}
}
