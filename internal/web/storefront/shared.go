package storefront

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"haat/internal/edge"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/op"
)

// longestName bounds what of an address a kept page is found by. Longer ones
// are made anew each time.
const longestName = 500

// shared makes a handler of a page that is the same for everybody, and so is
// kept until what it shows has changed. h sees nothing of the visitor, and of
// the query only the fields named (one that ends with a dot stands for all
// that begin with it). It calls depends with what it has read.
func (s *Server) shared(h func(*visit) error, fields ...string) http.Handler {
	return s.pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
		room, err := s.Door.Shop(r, op.Shopper, "")
		if err != nil {
			return err
		}
		seen, err := op.Seen(r, room)
		if err != nil {
			return err
		}
		shop := room.Shop()
		plain := r.Clone(context.Background())
		plain.Method, plain.Header, plain.Body = http.MethodGet, http.Header{}, http.NoBody
		plain.URL = &url.URL{Path: r.URL.Path, RawQuery: meaningful(r.URL, fields).Encode()}
		// The pattern is part of the name: "/products%2Fpot" has the path of
		// "/products/pot", but is another page.
		name := r.Pattern + " " + plain.URL.RequestURI()
		fill := func(ctx context.Context) (edge.Page, error) {
			r := plain.WithContext(ctx)
			room, err := s.Door.Shop(r, op.Shopper, "")
			if err == nil && room.Shop() != shop {
				err = fault.NotFound("This host leads to another shop now.")
			}
			if err != nil {
				return edge.Page{}, err
			}
			out := &recorder{header: http.Header{}}
			v := &visit{Server: s, w: out, r: r, room: room}
			if err := h(v); err != nil {
				return edge.Page{}, err
			}
			if out.status != http.StatusOK || v.mark == (fleet.Mark{}) {
				return edge.Page{}, fmt.Errorf("the page %s is shared, but has status %d and mark %v", name, out.status, v.mark)
			}
			return edge.Page{Header: out.header, Body: out.body.Bytes(), Mark: v.mark, Tags: v.tags}, nil
		}
		if s.Edge != nil && len(name) <= longestName {
			return s.Edge.Serve(w, r, shop, name, seen, fill)
		}
		page, err := fill(r.Context())
		if err != nil {
			return err
		}
		for name, values := range page.Header {
			w.Header()[name] = values
		}
		_, _ = w.Write(page.Body)
		return nil
	})
}

// meaningful gives the part of a query that a page depends on, so that links
// that were tagged by whoever shared them lead to the same page.
func meaningful(u *url.URL, fields []string) url.Values {
	if u.RawQuery == "" {
		return nil
	}
	q := u.Query()
	for key := range q {
		known := false
		for _, f := range fields {
			known = known || key == f || strings.HasSuffix(f, ".") && strings.HasPrefix(key, f)
		}
		if !known {
			delete(q, key)
		}
	}
	return q
}

// depends notes what a shared page was read at and what would change it.
func (v *visit) depends(m fleet.Mark, tags ...string) {
	v.mark, v.tags = m, tags
}

// recorder is where a shared page is written to.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

var _ io.Writer = (*recorder)(nil)
