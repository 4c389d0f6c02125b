package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/stock"
)

// body is the part of a product that only Go reads.
type body struct {
	Category string            `json:"category,omitempty"`
	GiftCard bool              `json:"gift,omitempty"`
	Options  []Option          `json:"options,omitempty"`
	SEO      SEO               `json:"seo"`
	Extra    map[string]string `json:"extra,omitempty"`
}

// Create writes a new product and gives it its id, and a handle if it has
// none. p must have passed Check. A handle that is taken is a Conflict.
func Create(ctx context.Context, tx *db.Tx, p *Product) error {
	if err := create(ctx, tx, p); err != nil {
		return err
	}
	return repack(ctx, tx, p.ID)
}

// create and save are Create and Save for whoever repacks afterwards.
func create(ctx context.Context, tx *db.Tx, p *Product) error {
	if p.Handle == "" {
		h, err := freeHandle(ctx, tx, idOfHandle, handlesLike, shopify.Slug(p.Title), "product")
		if err != nil {
			return err
		}
		p.Handle = h
	} else if _, taken, err := ByHandle(ctx, tx, p.Handle); err != nil {
		return err
	} else if taken {
		return handleTaken(p.Handle)
	}
	return Add(ctx, tx, p)
}

// Add is Create for a product whose handle is there and known to be free: that
// of a shop which is filled by nobody else, and is packed afterwards.
func Add(ctx context.Context, tx *db.Tx, p *Product) error {
	p.ID = id.Product(db.NewID[struct{}](tx))
	p.CreatedAt, p.UpdatedAt = tx.Now(), tx.Now()
	return write(ctx, tx, p, nil)
}

// ToChange gives a product to a transaction that is going to save or delete
// it: until it ends, no other that asked so does.
func ToChange(ctx context.Context, tx *db.Tx, product id.Product) (Product, error) {
	if err := tx.Alone(ctx, "product "+product.String()); err != nil {
		return Product{}, err
	}
	return Read(ctx, tx, product)
}

// Save writes a product, as [ToChange] gave it, over what it was. Variants with an id, or with the
// option values of one there is, stay what they are to orders and stock;
// those that p no longer has are gone.
func Save(ctx context.Context, tx *db.Tx, p *Product) error {
	if err := save(ctx, tx, p); err != nil {
		return err
	}
	return repack(ctx, tx, p.ID)
}

func save(ctx context.Context, tx *db.Tx, p *Product) error {
	old, err := Read(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	if p.Handle == "" {
		p.Handle = old.Handle
	}
	if p.Handle != old.Handle {
		if _, taken, err := ByHandle(ctx, tx, p.Handle); err != nil {
			return err
		} else if taken {
			return handleTaken(p.Handle)
		}
	}
	p.CreatedAt, p.UpdatedAt = old.CreatedAt, tx.Now()
	return write(ctx, tx, p, &old)
}

func handleTaken(handle string) error {
	f := fault.Conflict("handle-taken", "Another product has the address %q already.", handle)
	f.Field = "/handle"
	return f
}

// freeHandle finds a handle that is not taken: the wanted one, or that with
// the next number.
func freeHandle(ctx context.Context, tx *db.Tx, exact, like *db.SQL, want, fallback string) (string, error) {
	if want == "" {
		want = fallback
	}
	want = strings.TrimRight(want[:min(len(want), 200)], "-")
	one := func(s *string) []any { return []any{s} }
	_, taken, err := db.One(ctx, tx, exact, func(b *[]byte) []any { return []any{b} }, want)
	if err != nil || !taken {
		return want, err
	}
	used, err := db.All(ctx, tx, like, one, want+"-", want+"-\U0010ffff")
	if err != nil {
		return "", err
	}
	highest := 1
	for _, h := range used {
		if n, err := strconv.Atoi(h[len(want)+1:]); err == nil && n < 1_000_000_000 {
			highest = max(highest, n)
		}
	}
	return fmt.Sprintf("%s-%d", want, highest+1), nil
}

func write(ctx context.Context, tx *db.Tx, p *Product, old *Product) error {
	if err := matchVariants(tx, p, old); err != nil {
		return err
	}
	completeOptions(p)
	low, high := p.Variants[0], p.Variants[0]
	for _, v := range p.Variants {
		if v.Price < low.Price {
			low = v
		}
		if v.Price > high.Price {
			high = v
		}
	}
	var cover Image
	if len(p.Images) > 0 {
		cover = p.Images[0]
		for _, i := range p.Images {
			if i.Hash != "" {
				cover = i
				break
			}
		}
	}
	list, err := choicesOf(p.Options)
	if err != nil {
		return err
	}
	fields := []any{p.ID, p.Handle, p.Title, sortKey(p.Title), p.Status, p.Vendor, p.Type, low.Price, high.Price, low.CompareAt,
		len(p.Variants), p.Variants[0].ID, cover.Hash, cover.Width, cover.Height, cover.Alt, cover.Placeholder, foundBy(p), list.id}
	if old == nil {
		if _, err := tx.Exec(ctx, insertProduct, append(fields, p.CreatedAt, p.UpdatedAt)...); err != nil {
			return err
		}
	} else if _, err := tx.Exec(ctx, updateProduct, append(fields, p.UpdatedAt)...); err != nil {
		return err
	}
	data, err := json.Marshal(body{p.Category, p.GiftCard, p.Options, p.SEO, p.Extra})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, putBody, p.ID, p.DescriptionHTML, string(data)); err != nil {
		return err
	}
	var had []Option
	if old != nil {
		had = old.Options
	}
	if err := swapChoices(ctx, tx, had, list); err != nil {
		return err
	}
	if err := writeChildren(ctx, tx, p, old); err != nil {
		return err
	}
	if err := writeVariants(ctx, tx, p, old); err != nil {
		return err
	}
	if err := placeProduct(ctx, tx, p); err != nil {
		return err
	}
	saved := Saved(p)
	saved.Joined = p.Status == Active && (old == nil || old.Status != Active || old.Type != p.Type)
	return event.Emit(ctx, tx, saved)
}

// writeChildren writes images and tags, where they differ.
func writeChildren(ctx context.Context, tx *db.Tx, p, old *Product) error {
	if old != nil {
		for _, q := range []*db.SQL{dropImages, dropTags} {
			if _, err := tx.Exec(ctx, q, p.ID); err != nil {
				return err
			}
		}
	}
	for i, m := range p.Images {
		if _, err := tx.Exec(ctx, putImage, p.ID, i, m.Hash, m.Alt, m.Width, m.Height, m.Placeholder, m.Source); err != nil {
			return err
		}
	}
	for _, t := range p.Tags {
		if _, err := tx.Exec(ctx, putTag, strings.ToLower(t), p.ID, t); err != nil {
			return err
		}
	}
	return nil
}

func writeVariants(ctx context.Context, tx *db.Tx, p, old *Product) error {
	var levels []stock.Setting
	kept := map[id.Variant]bool{}
	for i, v := range p.Variants {
		kept[v.ID] = true
		o := append(slices.Clone(v.Options), "", "", "")
		extra := ""
		if len(v.Extra) > 0 {
			b, err := json.Marshal(v.Extra)
			if err != nil {
				return err
			}
			extra = string(b)
		}
		_, err := tx.Exec(ctx, putVariant, v.ID, p.ID, i, o[0], o[1], o[2], v.SKU, v.Barcode, v.Price, v.CompareAt, v.Cost,
			v.WeightGrams, v.TaxClass, v.Taxable, v.RequiresShipping, v.Image, v.ImageSource, extra)
		if err != nil {
			return err
		}
		isNew := old == nil || !slices.ContainsFunc(old.Variants, func(o Variant) bool { return o.ID == v.ID })
		switch {
		case v.Stock != nil:
			levels = append(levels, stock.Setting{Variant: v.ID, Product: p.ID, Tracked: v.Stock.Tracked, Continue: v.Stock.Continue,
				Available: v.Stock.Available, SetAvailable: v.Stock.SetAvailable || isNew})
		case isNew:
			levels = append(levels, stock.Setting{Variant: v.ID, Product: p.ID, SetAvailable: true})
		}
	}
	if old != nil {
		var gone []id.Variant
		for _, v := range old.Variants {
			if !kept[v.ID] {
				gone = append(gone, v.ID)
				if _, err := tx.Exec(ctx, dropVariant, v.ID); err != nil {
					return err
				}
			}
		}
		if len(gone) > 0 {
			if err := stock.Forget(ctx, tx, gone); err != nil {
				return err
			}
		}
	}
	if len(levels) == 0 {
		return nil
	}
	return stock.Put(ctx, tx, levels)
}

// matchVariants gives every variant its id: its own, which must be one of the
// product's, that of the old variant with the same option values, or a new one.
// The slice is p's own from here on: what the caller built it from stays as it
// is, should the transaction run again.
func matchVariants(tx *db.Tx, p, old *Product) error {
	p.Variants = slices.Clone(p.Variants)
	byID, byOptions := map[id.Variant]bool{}, map[string]id.Variant{}
	if old != nil {
		for _, v := range old.Variants {
			byID[v.ID] = true
			byOptions[optionsKey(v.Options)] = v.ID
		}
	}
	taken := map[id.Variant]bool{}
	for i, v := range p.Variants {
		if v.ID.Zero() {
			continue
		}
		if !byID[v.ID] {
			return fault.NotFound("The product has no such variant.")
		}
		if taken[v.ID] {
			return fault.Invalid(fmt.Sprintf("/variants/%d/id", i), "This variant is there twice.")
		}
		taken[v.ID] = true
	}
	for i := range p.Variants {
		v := &p.Variants[i]
		if !v.ID.Zero() {
			continue
		}
		if same, ok := byOptions[optionsKey(v.Options)]; ok && !taken[same] {
			v.ID = same
		} else {
			v.ID = id.Variant(db.NewID[struct{}](tx))
		}
		taken[v.ID] = true
	}
	return nil
}

func optionsKey(values []string) string { return strings.ToLower(strings.Join(values, "\x1f")) }

// completeOptions adds the values that variants have and options do not list,
// and drops those that no variant has.
func completeOptions(p *Product) {
	for i := range p.Options {
		var used []string
		for _, v := range p.Variants {
			if !slices.ContainsFunc(used, func(s string) bool { return strings.EqualFold(s, v.Options[i]) }) {
				used = append(used, v.Options[i])
			}
		}
		order := func(s string) int {
			n := slices.IndexFunc(p.Options[i].Values, func(o string) bool { return strings.EqualFold(o, s) })
			if n < 0 {
				return len(p.Options[i].Values)
			}
			return n
		}
		slices.SortStableFunc(used, func(a, b string) int { return order(a) - order(b) })
		p.Options[i].Values = used
	}
}

// sortKey makes a title a key whose bytes sort as people expect.
func sortKey(title string) []byte {
	var b collate.Buffer
	return slices.Clone(collate.New(language.Und, collate.Loose, collate.Numeric).KeyFromString(&b, title))
}

// foundBy is what a merchant's search looks through.
func foundBy(p *Product) string {
	words := []string{p.Title, p.Handle, p.Vendor, p.Type, strings.Join(p.Tags, " ")}
	for _, v := range p.Variants {
		words = append(words, v.SKU, v.Barcode)
	}
	text := strings.ToLower(strings.Join(words, " "))
	if len(text) > 4000 {
		text = strings.ToValidUTF8(text[:4000], "")
	}
	return text
}

// Delete removes a product. Orders keep their own copy of what was bought.
func Delete(ctx context.Context, tx *db.Tx, product id.Product) error {
	p, err := ToChange(ctx, tx, product)
	if err != nil {
		return err
	}
	variants := make([]id.Variant, len(p.Variants))
	for i, v := range p.Variants {
		variants[i] = v.ID
	}
	if err := stock.Forget(ctx, tx, variants); err != nil {
		return err
	}
	for _, q := range []*db.SQL{dropVariants, dropImages, dropTags, dropBody, leaveAll, dropProduct} {
		if _, err := tx.Exec(ctx, q, product); err != nil {
			return err
		}
	}
	if err := swapChoices(ctx, tx, p.Options, choices{}); err != nil {
		return err
	}
	if err := repack(ctx, tx, product); err != nil {
		return err
	}
	return event.Emit(ctx, tx, ProductDeleted{Product: p.ID, Handle: p.Handle})
}

func joinOptions(values []string) string { return strings.Join(values, " / ") }

// ByHandle finds a product by its handle; false if there is none.
func ByHandle(ctx context.Context, r db.Reader, handle string) (id.Product, bool, error) {
	return db.One(ctx, r, idOfHandle, func(p *id.Product) []any { return []any{p} }, handle)
}

// Read gives a whole product, its stock aside.
func Read(ctx context.Context, r db.Reader, product id.Product) (Product, error) {
	var data string
	p, found, err := db.One(ctx, r, readProduct, func(p *Product) []any {
		return []any{&p.ID, &p.Handle, &p.Title, &p.Status, &p.Vendor, &p.Type, &p.CreatedAt, &p.UpdatedAt, &p.DescriptionHTML, &data}
	}, product)
	if err != nil {
		return p, err
	}
	if !found {
		return p, fault.NotFound("There is no such product.")
	}
	if err := p.unpack(data); err != nil {
		return p, err
	}
	type row struct {
		Variant
		o     [3]string
		extra string
	}
	rows, err := db.All(ctx, r, readVariants, func(v *row) []any {
		return []any{&v.ID, &v.o[0], &v.o[1], &v.o[2], &v.SKU, &v.Barcode, &v.Price, &v.CompareAt, &v.Cost, &v.WeightGrams, &v.TaxClass,
			&v.Taxable, &v.RequiresShipping, &v.Image, &v.ImageSource, &v.extra}
	}, product)
	if err != nil {
		return p, err
	}
	for _, v := range rows {
		v.Options = v.o[:len(p.Options):len(p.Options)]
		if v.extra != "" {
			if err := json.Unmarshal([]byte(v.extra), &v.Extra); err != nil {
				return p, fmt.Errorf("read a variant: %w", err)
			}
		}
		p.Variants = append(p.Variants, v.Variant)
	}
	if p.Images, err = db.All(ctx, r, readImages, func(i *Image) []any {
		return []any{&i.Hash, &i.Alt, &i.Width, &i.Height, &i.Placeholder, &i.Source}
	}, product); err != nil {
		return p, err
	}
	p.Tags, err = db.All(ctx, r, readTags, func(s *string) []any { return []any{s} }, product)
	return p, err
}

func (p *Product) unpack(data string) error {
	var b body
	if err := json.Unmarshal([]byte(data), &b); err != nil {
		return fmt.Errorf("read product %v: %w", p.ID, err)
	}
	p.Category, p.GiftCard, p.Options, p.SEO, p.Extra = b.Category, b.GiftCard, b.Options, b.SEO, b.Extra
	return nil
}
