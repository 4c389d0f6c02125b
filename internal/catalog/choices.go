package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"

	"haat/internal/db"
)

var (
	putChoices = db.Q(`
		INSERT INTO product_choices (shop, id, pairs, options) VALUES ($1, $2, $3, $4)
		ON CONFLICT (shop, id) DO NOTHING`)
	dropChoices = db.Q(`
		DELETE FROM product_choices WHERE shop = $1 AND id = $2 AND NOT EXISTS (
			SELECT 1 FROM product p WHERE p.shop = $1 AND p.status IN ('active', 'draft', 'archived') AND p.choices = $2)`)
)

// choices is a list of options as it is kept once for all products that have
// the same.
type choices struct {
	id             int64 // 0: none
	pairs, options string
}

func choicesOf(options []Option) (c choices, err error) {
	if len(options) == 0 {
		return c, nil
	}
	text, err := json.Marshal(options)
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256(text)
	c.id, c.options = int64(binary.BigEndian.Uint64(sum[:])|1), string(text)
	var pairs strings.Builder
	for _, o := range options {
		for _, v := range o.Values {
			pairs.WriteString("\x1e" + pair(o.Name, v))
		}
	}
	c.pairs = pairs.String() + "\x1e"
	return c, nil
}

// pair is an option's name and value as a key, whatever their case.
func pair(name, value string) string { return strings.ToLower(name) + "\x1f" + strings.ToLower(value) }

// likePair is a pattern that pairs match which have one.
func likePair(name, value string) string {
	return "%\x1e" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(pair(name, value)) + "\x1e%"
}

// swapChoices keeps a product's list, and forgets the one it had if nobody
// else has that.
func swapChoices(ctx context.Context, tx *db.Tx, old []Option, now choices) error {
	was, err := choicesOf(old)
	if err == nil && now.id != 0 {
		_, err = tx.Exec(ctx, putChoices, now.id, now.pairs, now.options)
	}
	if err == nil && now.id != was.id && was.id != 0 {
		_, err = tx.Exec(ctx, dropChoices, was.id)
	}
	return err
}

// facets adds up what products have to choose from, list by list.
type facets struct {
	all    []facet
	byPair map[string]int
}

type facet struct {
	name, value     string
	position, place int // the least of all lists
	count           int64
}

func (f *facets) add(options string, products int64) error {
	var list []Option
	if err := json.Unmarshal([]byte(options), &list); err != nil {
		return err
	}
	if f.byPair == nil {
		f.byPair = map[string]int{}
	}
	for i, o := range list {
		for j, v := range o.Values {
			key := pair(o.Name, v)
			at, known := f.byPair[key]
			if !known {
				at = len(f.all)
				f.byPair[key] = at
				f.all = append(f.all, facet{o.Name, v, i, j, 0})
			}
			x := &f.all[at]
			x.name, x.value = min(x.name, o.Name), min(x.value, v)
			x.position, x.place = min(x.position, i), min(x.place, j)
			x.count += products
		}
	}
	return nil
}

// list gives the facets in the order of the options and their values.
func (f *facets) list() []Facet {
	slices.SortStableFunc(f.all, func(a, b facet) int {
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(a.place, b.place), strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	var out []Facet
	for _, x := range f.all {
		i := slices.IndexFunc(out, func(o Facet) bool { return strings.EqualFold(o.Name, x.name) })
		if i < 0 {
			i = len(out)
			out = append(out, Facet{Name: x.name})
		}
		out[i].Values = append(out[i].Values, FacetValue{x.value, x.count})
	}
	return out
}
