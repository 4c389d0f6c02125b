// Package search finds a shop's products by words.
//
// It listens to the catalogue's events and keeps, in the shop's shard, the
// words of every active product with their weights: the title's above those
// of tags, type, vendor and options, and those above the description's. A
// search asks for products that have, for each of its words, a word that
// begins with it; upper and lower case, accents, the order of the words and a
// plural s are forgiven. The heavier the words found, the higher the product.
//
// The words of a shop's first products are a row each, which a search reads
// through; those of further ones have a row for every word. Both are found
// alike, on both engines, and move with the shop. A
// product is found a moment after it was saved, not in the same instant.
package search

import (
	"context"
	"embed"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/id"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the tables of words.
var Schema = db.Schema("search", schemaFiles)

const (
	maxTerms = 300 // of one product
	maxWords = 8   // of one search
	maxTerm  = 64  // bytes
)

// Subscribe keeps the words up to date.
func Subscribe(b *event.Bus) {
	event.On(b, "search", func(ctx context.Context, tx *db.Tx, _ event.Meta, e catalog.ProductSaved) error {
		return Index(ctx, tx, e)
	})
	event.On(b, "search", func(ctx context.Context, tx *db.Tx, _ event.Meta, e catalog.ProductDeleted) error {
		return forget(ctx, tx, e.Product)
	})
}

var (
	putTerm   = db.Q(`INSERT INTO search_term (shop, term, product, weight) VALUES ($1, $2, $3, $4)`)
	dropTerms = db.Q(`DELETE FROM search_term WHERE shop = $1 AND product = $2`)
	// putWords does nothing when the shop has as many rows as are read through,
	// which is the number that stands twice.
	putWords = db.Q(`
		INSERT INTO search_words (shop, product, title, sku, kind, label, text)
		SELECT $1, $2, $3, $4, $5, $6, $7
		WHERE (SELECT COUNT(*) FROM (SELECT 1 FROM search_words WHERE shop = $1 LIMIT 200) AS there) < 200`)
	setWords = db.Q(`
		UPDATE search_words SET title = $3, sku = $4, kind = $5, label = $6, text = $7
		WHERE shop = $1 AND product = $2`)
	dropWords = db.Q(`DELETE FROM search_words WHERE shop = $1 AND product = $2`)
)

// Index writes the words of one product anew. A product that is not active has
// none.
func Index(ctx context.Context, tx *db.Tx, e catalog.ProductSaved) error {
	if e.Status != catalog.Active {
		return forget(ctx, tx, e.Product)
	}
	t := terms(e)
	if n, err := tx.Exec(ctx, setWords, t.row(e.Product)...); err != nil || n > 0 {
		return err
	}
	if _, err := tx.Exec(ctx, dropTerms, e.Product); err != nil {
		return err
	}
	return t.write(ctx, tx, e.Product)
}

// Add is Index for a product that is new.
func Add(ctx context.Context, tx *db.Tx, e catalog.ProductSaved) error {
	if e.Status != catalog.Active {
		return nil
	}
	return terms(e).write(ctx, tx, e.Product)
}

func forget(ctx context.Context, tx *db.Tx, product id.Product) error {
	if _, err := tx.Exec(ctx, dropWords, product); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, dropTerms, product)
	return err
}

// weights of what the columns of search_words hold, the heaviest first. They
// stand in the statement find too.
var weights = [5]int64{100, 80, 30, 20, 5}

// known is a product's words by weight, each where it weighs most.
type known [len(weights)][]string

// terms gives a product's words.
func terms(e catalog.ProductSaved) (out known) {
	seen := map[string]bool{}
	add := func(column int, texts ...string) {
		for _, text := range texts {
			for _, w := range Words(text) {
				if !seen[w] && len(seen) < maxTerms {
					seen[w] = true
					out[column] = append(out[column], w)
				}
			}
		}
	}
	add(0, e.Title)
	add(1, e.SKUs...)
	add(2, e.Type, e.Vendor)
	add(3, e.Labels...)
	add(3, e.Options...)
	add(4, e.Description)
	return out
}

// row gives the arguments of putWords and setWords.
func (k known) row(product id.Product) []any {
	args := []any{product}
	for _, words := range k {
		column := ""
		if len(words) > 0 {
			column = " " + strings.Join(words, " ")
		}
		args = append(args, column)
	}
	return args
}

// write writes the words of a product that has none.
func (k known) write(ctx context.Context, tx *db.Tx, product id.Product) error {
	if n, err := tx.Exec(ctx, putWords, k.row(product)...); err != nil || n > 0 {
		return err
	}
	for column, words := range k {
		for _, w := range words {
			if _, err := tx.Exec(ctx, putTerm, w, product, weights[column]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Words takes text apart into the words that are compared: letters and
// digits of any script with their marks, in lower case, without Latin
// accents, each as it is written and plural forms as their singular.
func Words(text string) []string {
	if !plain(text) {
		fold := transform.Chain(norm.NFKD, runes.Remove(runes.Predicate(latinMark)), norm.NFC)
		var err error
		if text, _, err = transform.String(fold, strings.ToValidUTF8(text, " ")); err != nil {
			return nil
		}
	}
	fields := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	out := fields[:0]
	for _, f := range fields {
		if len(f) > maxTerm {
			f = strings.ToValidUTF8(f[:maxTerm], "")
		}
		out = append(out, singular(f))
	}
	return out
}

// plain reports whether a text is ASCII, which folds to itself.
func plain(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// latinMark is an accent, as opposed to the vowel signs that Indic scripts
// cannot be read without.
func latinMark(r rune) bool { return r >= 0x300 && r <= 0x36f }

func singular(w string) string {
	switch {
	case len(w) < 4 || strings.HasSuffix(w, "ss") || strings.HasSuffix(w, "us"):
		return w
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "shes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "sses"):
		return w[:len(w)-2]
	}
	return strings.TrimSuffix(w, "s")
}

// Rebuild writes the words of the given products anew.
func Rebuild(ctx context.Context, tx *db.Tx, products []id.Product) error {
	for _, p := range products {
		product, err := catalog.Read(ctx, tx, p)
		if err != nil {
			return err
		}
		if err := Index(ctx, tx, catalog.Saved(&product)); err != nil {
			return err
		}
	}
	return nil
}
