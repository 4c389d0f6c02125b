package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"haat/internal/cache"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// sent is a kept page as processes pass it on: this as JSON, a line's end, and
// the body in its coding.
type sent struct {
	ETag   string
	Mark   string
	Header http.Header
	Tags   string
	Made   time.Time
	Size   int // of the plain body
	Coding coding
	Quick  bool // compressed quickly
}

// writeKept writes a page in the best coding that there is of it.
func writeKept(k *kept) []byte {
	for c := range codings {
		v := k.bodies[c].Load()
		if v == nil {
			continue
		}
		head, err := json.Marshal(sent{ETag: k.etag, Mark: k.mark, Header: k.header, Tags: k.tags, Made: k.made, Size: k.size, Coding: c, Quick: v.quick})
		if err != nil {
			return nil
		}
		return append(append(head, '\n'), v.body...)
	}
	return nil
}

// readKept reads what writeKept wrote.
func readKept(b []byte) (*kept, int, error) {
	head, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, 0, errors.New("a kept page has no body")
	}
	var s sent
	if err := json.Unmarshal(head, &s); err != nil {
		return nil, 0, err
	}
	if s.ETag == "" || s.Coding >= codings || s.Size < 0 || (s.Coding == plain) != (s.Size < minCompressed) {
		return nil, 0, errors.New("a kept page makes no sense")
	}
	k := &kept{etag: s.ETag, mark: s.Mark, header: s.Header, tags: s.Tags, made: s.Made, size: s.Size}
	k.put(s.Coding, body, s.Quick)
	return k, k.weight(), nil
}

const (
	pastEvents = 2_000 // of a shop that are looked at
	pastTags   = 64    // that are told apart
)

// past reads what a shop's events have spoilt, as its primary knows it.
func past(f *fleet.Fleet) func(context.Context, id.Shop) (cache.Past, error) {
	return func(ctx context.Context, shop id.Shop) (p cache.Past, err error) {
		room, err := f.ByID(ctx, shop)
		if err != nil {
			return p, err
		}
		err = room.View(ctx, fleet.Newest, func(r db.Reader) (err error) {
			p.Mark = r.Mark()
			p.Tags, p.From, err = db.Spoilt(ctx, r, pastEvents, pastTags)
			return err
		})
		return p, err
	}
}
