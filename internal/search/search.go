// Package search finds a shop's products by words.
//
// It listens to the catalogue's events and keeps, in the shop's shard, the
// words of every active product with their weights: the title's above those
// of tags, type, vendor and options, and those above the description's. A
// search asks for products that have, for each of its words, a word that
// begins with it; upper and lower case, accents, the order of the words and a
// plural s are forgiven. The heavier the words found, the higher the product.
//
// The words are rows that both engines read alike, and move with the shop. A
// product is found a moment after it was saved, not in the same instant.
package search

import (
	"context"
	"embed"
	"strings"
	"unicode"

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

// Schema is the table of words.
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
		_, err := tx.Exec(ctx, dropTerms, e.Product)
		return err
	})
}

var (
	putTerm   = db.Q(`INSERT INTO search_term (shop, term, product, weight) VALUES ($1, $2, $3, $4)`)
	dropTerms = db.Q(`DELETE FROM search_term WHERE shop = $1 AND product = $2`)
)

// Index writes the words of one product anew. A product that is not active has
// none.
func Index(ctx context.Context, tx *db.Tx, e catalog.ProductSaved) error {
	if _, err := tx.Exec(ctx, dropTerms, e.Product); err != nil || e.Status != catalog.Active {
		return err
	}
	for term, weight := range terms(e) {
		if _, err := tx.Exec(ctx, putTerm, term, e.Product, weight); err != nil {
			return err
		}
	}
	return nil
}

// terms gives a product's words and their weights.
func terms(e catalog.ProductSaved) map[string]int64 {
	out := map[string]int64{}
	add := func(weight int64, text string) {
		for _, w := range Words(text) {
			if _, known := out[w]; known || len(out) < maxTerms {
				out[w] += weight
			}
		}
	}
	add(100, e.Title)
	for _, s := range e.SKUs {
		add(80, s)
	}
	add(30, e.Type)
	add(30, e.Vendor)
	for _, s := range append(append([]string{}, e.Labels...), e.Options...) {
		add(20, s)
	}
	for _, w := range Words(e.Description) { // however often, once
		if _, known := out[w]; !known && len(out) < maxTerms {
			out[w] = 5
		}
	}
	return out
}

// Words takes text apart into the words that are compared: letters and
// digits of any script with their marks, in lower case, without Latin
// accents, each as it is written and plural forms as their singular.
func Words(text string) []string {
	fold := transform.Chain(norm.NFKD, runes.Remove(runes.Predicate(latinMark)), norm.NFC)
	text, _, err := transform.String(fold, strings.ToValidUTF8(text, " "))
	if err != nil {
		return nil
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
