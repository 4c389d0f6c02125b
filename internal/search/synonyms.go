package search

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/op"
)

//go:embed synonyms.txt
var commonText string

// common is the dictionary that every shop has.
var common = parseSynonyms(commonText)

const longestPhrase = 3 // words

// dictionary gives, for a phrase of stems, the phrases that mean the same.
type dictionary map[string][]phrase

// phrase is up to longestPhrase stems.
type phrase []string

func phraseOf(text string) (p phrase) {
	for _, w := range Words(text) {
		p = append(p, stem(w))
	}
	return p
}

func (p phrase) key() string { return strings.Join(p, " ") }

// parseSynonyms reads groups of phrases that mean the same: a group to a line,
// its phrases parted by commas. What follows a # is a remark.
func parseSynonyms(text string) dictionary {
	d := dictionary{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		var group []phrase
		for part := range strings.SplitSeq(line, ",") {
			if p := phraseOf(part); len(p) > 0 && len(p) <= longestPhrase {
				group = append(group, p)
			}
		}
		d.add(group)
	}
	return d
}

func (d dictionary) add(group []phrase) {
	for i, p := range group {
		key := p.key()
		for j, other := range group {
			if i != j && other.key() != key && !slices.ContainsFunc(d[key], func(have phrase) bool { return have.key() == other.key() }) {
				d[key] = append(d[key], other)
			}
		}
	}
}

// with gives a dictionary that has another's phrases too.
func (d dictionary) with(other dictionary) dictionary {
	out := make(dictionary, len(d)+len(other))
	for key, all := range d {
		out[key] = all
	}
	for key, all := range other {
		out[key] = append(slices.Clip(out[key]), all...)
	}
	return out
}

// Merchants' operations.
var (
	Synonyms = op.Read[op.Empty, SynonymsOut]{Name: "search.synonyms", Route: "GET /search/synonyms", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "The shop's own words that mean the same", Run: func(ctx context.Context, r db.Reader, _ op.Empty) (SynonymsOut, error) {
			s, err := stateOf(ctx, r)
			return groupsOf(s.synonyms), err
		}}
	SetSynonyms = op.Write[SynonymsIn, SynonymsOut]{Name: "search.set-synonyms", Route: "PUT /search/synonyms", Role: op.Merchant,
		Summary: "Set the shop's own words that mean the same, beside those that every shop has", Run: setSynonyms}
)

// SynonymsIn is groups of phrases that mean the same.
type SynonymsIn struct {
	op.By
	Body SynonymsOut
}

// SynonymsOut is groups of phrases that mean the same.
type SynonymsOut struct {
	Groups [][]string `json:"groups" nullable:"false" maxItems:"300" doc:"Each two phrases or more, of three words at most" example:"[[\"chappal\",\"slides\"]]"`
}

const (
	mostGroups    = 300
	mostPhrases   = 20
	synonymsBytes = 16 << 10
)

var writeSynonyms = db.Q(`UPDATE search_state SET synonyms = $2 WHERE shop = $1`)

func groupsOf(text string) SynonymsOut {
	out := SynonymsOut{Groups: [][]string{}}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out.Groups = append(out.Groups, strings.Split(line, ", "))
		}
	}
	return out
}

func setSynonyms(ctx context.Context, tx *db.Tx, in SynonymsIn) (SynonymsOut, error) {
	var b strings.Builder
	if len(in.Body.Groups) > mostGroups {
		return SynonymsOut{}, fault.Invalid("/groups", "Keep it to %d groups.", mostGroups)
	}
	for i, g := range in.Body.Groups {
		at := fmt.Sprintf("/groups/%d", i)
		var group []string
		for _, p := range g {
			words := Words(cut(p, 500))
			text := strings.Join(words, " ")
			switch {
			case len(words) == 0 || slices.Contains(group, text):
				continue
			case len(words) > longestPhrase:
				return SynonymsOut{}, fault.Invalid(at, "“%s” has more than %d words. Keep each phrase short.", cut(text, 60), longestPhrase)
			}
			group = append(group, text)
		}
		switch {
		case len(group) == 0:
			continue
		case len(group) == 1:
			return SynonymsOut{}, fault.Invalid(at, "“%s” stands alone. Give at least one more phrase that means the same.", group[0])
		case len(group) > mostPhrases:
			return SynonymsOut{}, fault.Invalid(at, "Keep a group to %d phrases.", mostPhrases)
		}
		b.WriteString(strings.Join(group, ", ") + "\n")
	}
	if b.Len() > synonymsBytes {
		return SynonymsOut{}, fault.Invalid("/groups", "That is more than a search can keep in mind. Leave some out.")
	}
	if _, err := next(ctx, tx); err != nil {
		return SynonymsOut{}, err
	}
	if _, err := tx.Exec(ctx, writeSynonyms, b.String()); err != nil {
		return SynonymsOut{}, err
	}
	return groupsOf(b.String()), nil
}
