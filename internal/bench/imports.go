package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// imports has the operator's command send a CSV file to a server, and looks at
// the server's memory meanwhile.
func (b *bench) imports(ctx context.Context, r *Result) error {
	dir, err := b.folder("import")
	if err != nil {
		return err
	}
	data, token := filepath.Join(dir, "data"), ""
	if err := b.with(ctx, data, func(p *Platform) error {
		token = p.Token
		_, err := openStall(ctx, p.Fleet, "bench", 0, 0)
		return errors.Join(err, p.Quiet(ctx))
	}); err != nil {
		return err
	}
	file := filepath.Join(dir, "products.csv")
	if err := writeCSV(file, b.Rows); err != nil {
		return err
	}
	srv, err := b.serve(ctx, -1, data, "--memory", fmt.Sprintf("%dMiB", mixMemory))
	if err != nil {
		return err
	}
	defer srv.stop()
	idle := srv.resident()
	b.say("%d rows", b.Rows)
	begun := time.Now()
	p, err := start(ctx, -1, nil, b.Program, "import", "bench", file, "--ops", "http://"+srv.ops, "--token", token)
	if err != nil {
		return err
	}
	var memory []float64
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for running := true; running; {
		select {
		case <-t.C:
			memory = append(memory, srv.resident())
		case <-p.ended:
			running = false
		}
	}
	took := time.Since(begun)
	said := strings.TrimSpace(p.said.String())
	if p.err != nil || !strings.Contains(said, fmt.Sprintf("%d rows imported", b.Rows)) || !strings.Contains(said, " 0 skipped, 0 errors") {
		return fmt.Errorf("the import ended with %v and said: %s", p.err, said)
	}
	memory = append(memory, srv.resident())
	quarter, most := memory[len(memory)/4], 0.0
	for _, m := range memory {
		most = max(most, m)
	}
	rate := float64(b.Rows) / took.Seconds()
	r.Rows = append(r.Rows, Row{Label: fmt.Sprintf("%s rows", whole(b.Rows)), Rate: rate, Note: fmt.Sprintf("%.1f s", took.Seconds())})
	r.note("%s", said[strings.LastIndexByte(said, '\n')+1:])
	r.note("memory of the server: %.0f MB before, %.0f MB after a quarter of the time, %.0f MB at most, with --memory %dMiB", idle, quarter, most, mixMemory)
	r.least("rows a second", rate, 10_000, "")
	r.most("memory at most", most/quarter, 1.25, "of that after a quarter of the time")
	return nil
}

// writeCSV makes a Shopify file of products with four variants, a row each.
func writeCSV(name string, rows int) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	w.WriteString("Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,Variant Requires Shipping,Variant Taxable\n")
	sizes := []string{"Small", "Medium", "Large", "Extra large"}
	for i := range rows {
		p, v := product(i/len(sizes), 0), i%len(sizes)
		title, body, vendor, kind, tags, published, option := "", "", "", "", "", "", ""
		if v == 0 {
			title, body, vendor, kind, tags, published, option = p.Title, p.DescriptionHTML, p.Vendor, p.Type, strings.Join(p.Tags, ", "), "true", "Size"
		}
		fmt.Fprintf(w, "%s,%s,\"%s\",%s,%s,\"%s\",%s,%s,%s,B-%d,250,shopify,%d,deny,%d.00,,true,true\n",
			p.Handle, title, body, vendor, kind, tags, published, option, sizes[v], i, 1+i%40, 199+i%50*10+v*50)
	}
	return w.Flush()
}
