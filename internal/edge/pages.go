package edge

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"haat/internal/cache"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

// Options say how much is kept, and what stands in front.
type Options struct {
	Bytes int64 // of memory for pages
	// SharedFor is how long a CDN in front may keep a page without asking
	// again; 0: it must always ask. A CDN that is purged by Surrogate-Key may
	// be given long.
	SharedFor time.Duration
	// Fixed are the headers that every page is sent with, as the front must
	// send them itself.
	Fixed http.Header
	Cache cache.Options[*kept] // Bytes, Share and Sample aside
	// Second is where processes find the pages that others have made; nil: each
	// makes its own.
	Second *cache.Second
	Sample *cache.Sampler // measures how old pages are; nil: nobody does
}

// Pages keeps finished pages.
type Pages struct {
	o     Options
	cache *cache.Cache[*kept]
	front *Front
}

// New makes a store of pages and has the fleet tell it of changes.
func New(f *fleet.Fleet, o Options) *Pages {
	c := o.Cache
	c.Bytes, c.Sample = o.Bytes, o.Sample
	if o.Second != nil {
		c.Share = &cache.Share[*kept]{Second: o.Second, Write: writeKept, Read: readKept, Past: past(f)}
	}
	p := &Pages{o: o, cache: cache.New(c)}
	f.OnCommit(p.cache.Commit)
	f.OnEntry(p.cache.Forget)
	return p
}

// Keeps reports whether any page of a shop is kept.
func (p *Pages) Keeps(s id.Shop) bool { return p.cache.Keeps(s) }

// Missed says that changes may have been made that nobody told of: every page
// that was made up to now is made anew when it is asked for.
func (p *Pages) Missed() { p.cache.Missed() }

// Unsure says whether changes may be made that nobody tells of. Meanwhile every
// page is made anew or, if that fails, the old one is shown as stale.
func (p *Pages) Unsure(is bool) { p.cache.Unsure(is) }

// Stats gives the counters of the cache below.
func (p *Pages) Stats() *cache.Stats { return p.cache.Stats() }

// Size gives how many pages are kept, and the bytes that they take.
func (p *Pages) Size() (pages int, bytes uint64) { return p.cache.Size() }

// Fill makes a page. It runs on a context of its own and may be called again
// long after the request that brought it.
type Fill func(context.Context) (Page, error)

// Serve answers a GET or HEAD with the page of that name in the shop, from
// what is kept or by fill. name is all that the page may depend on beside the
// shop: the path, and what of the query means something. Who has seen a mark of
// the shop is given no page that was made before it, but for want of any: then
// it says that it is stale. fill must read at or after seen.
func (p *Pages) Serve(w http.ResponseWriter, r *http.Request, shop id.Shop, name string, seen db.Mark, fill Fill) error {
	want := accepted(r.Header.Get("Accept-Encoding"))
	key := cache.Key{Shop: shop, Name: name}
	k, how, err := p.cache.FetchAfter(r.Context(), key, seen, filling(want, fill))
	if err != nil {
		return err
	}
	if err := p.send(w, r, k, how, want); err != nil {
		return err
	}
	if p.front != nil && how != cache.Stale && r.Method == http.MethodGet && r.TLS == nil && r.ProtoMajor == 1 {
		p.front.learn(r, key, fill)
	}
	return nil
}

func filling(want coding, fill Fill) func(context.Context) (cache.Filled[*kept], error) {
	return func(ctx context.Context) (cache.Filled[*kept], error) {
		page, err := fill(ctx)
		if err != nil {
			return cache.Filled[*kept]{}, err
		}
		k := newKept(page, want)
		return cache.Filled[*kept]{Value: k, Size: k.weight(), Mark: page.Mark, Tags: page.Tags}, nil
	}
}

// send writes a kept page, or that the browser has it already.
func (p *Pages) send(w http.ResponseWriter, r *http.Request, k *kept, how cache.Outcome, want coding) error {
	v, c, err := k.in(want)
	if err != nil {
		return err
	}
	etag, has := v.has(r.Header.Get("If-None-Match"))
	if !has {
		if how == cache.Hit {
			v = k.well(c, v)
		}
		etag = v.etag
	}
	h := w.Header()
	for name, values := range k.header {
		h[name] = values
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", etag)
	h.Set("Haat-Read-At", k.mark)
	h.Set("Cache-Status", status(how))
	if how == cache.Hit || how == cache.Stale || how == cache.Shared {
		h.Set("Age", strconv.Itoa(int(time.Since(k.made)/time.Second)))
	}
	if how == cache.Stale {
		// Nobody else keeps what is known to be out of date.
		h.Set("Cache-Control", "no-store")
	} else if p.o.SharedFor > 0 {
		h.Set("Surrogate-Control", p.surrogate())
		h.Set("Surrogate-Key", k.tags)
	}
	if has {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if c != plain {
		h.Set("Content-Encoding", codingNames[c])
	}
	h.Set("Content-Length", strconv.Itoa(len(v.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(v.body)
	}
	return nil
}

func (p *Pages) surrogate() string {
	s := strconv.Itoa(int(p.o.SharedFor / time.Second))
	return "max-age=" + s + ", stale-while-revalidate=60, stale-if-error=86400"
}

// status is how RFC 9211 says where an answer came from.
func status(how cache.Outcome) string {
	switch how {
	case cache.Hit:
		return "haat; hit"
	case cache.Stale:
		return "haat; hit; detail=stale"
	case cache.Shared:
		return "haat; hit; detail=shared"
	case cache.Joined:
		return "haat; fwd=miss; collapsed; stored"
	}
	return "haat; fwd=miss; stored"
}
