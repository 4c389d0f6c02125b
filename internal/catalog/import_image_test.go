package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/op"
)

// drawn is the picture that a made-up host has at an address.
func drawn(url string) media.Image {
	return media.Image{Hash: media.Hash([]byte(url)), Width: 800, Height: 600, Placeholder: "#eeeeee", Bytes: len(url)}
}

// pictured is a product with a picture of the merchant's own, also on its variant.
func pictured(t *testing.T, room *fleet.Room, by op.Caller, title string) (catalog.Details, media.Image) {
	t.Helper()
	img := drawn(title)
	change(t, room, func(tx *db.Tx) error { return media.Save(t.Context(), tx, img) })
	in := simple(title, 5_00, 1)
	in.Body.Images = &[]catalog.ImageInput{{Hash: img.Hash, Alt: "All of it"}}
	(*in.Body.Variants)[0].Image = img.Hash
	return create(t, room, by, in), img
}

func TestOwnImagesNeedNoFetching(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		var mu sync.Mutex
		var asked []string
		m := importer(t, f, func(c *catalog.ImporterConfig) {
			c.Fetch = func(_ context.Context, s id.Shop, url string) (media.Image, error) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, url)
				return media.Image{}, errors.New("a private address")
			}
		})
		made, img := pictured(t, room, by, "Mug")
		file := export(t, m, room)
		address := shopURL("test") + media.URL(room.Shop(), img.Hash, 800)
		if strings.Count(file, address) != 2 { // product and variant
			t.Fatalf("%s is not in\n%s", address, file)
		}
		if got := runImport(t, m, room, by, []byte(file), false); got.Products.Updated != 1 || got.Errors != 0 || got.Images != (catalog.ImageCounts{}) {
			t.Errorf("into the same shop: %+v", got)
		}
		if p := product(t, room, by, "mug"); len(p.Images) != 1 || p.Images[0].Hash != img.Hash {
			t.Errorf("%+v", p.Images)
		}
		if _, err := catalog.DeleteProduct.Do(t.Context(), room, by, catalog.ProductIn{Product: made.ID.String()}); err != nil {
			t.Fatal(err)
		}
		if got := runImport(t, m, room, by, []byte(file), false); got.Products.Created != 1 || got.Images != (catalog.ImageCounts{}) {
			t.Errorf("after it was deleted: %+v", got)
		}
		if p := product(t, room, by, "mug"); len(p.Images) != 1 || p.Images[0].Hash != img.Hash || p.Images[0].Source != "" || p.Images[0].Alt != "All of it" || p.Variants[0].Image != img.Hash {
			t.Errorf("%+v", p)
		}
		if again := export(t, m, room); again != file {
			t.Errorf("was\n%s\nis\n%s", file, again)
		}

		// Another shop gets nothing by naming it, wherever it says it stands.
		other, them := open(t, f, "other")
		for _, origin := range []string{shopURL("test"), shopURL("other"), "http://haat.test", strings.ToUpper(shopURL("other"))} {
			url := origin + media.URL(room.Shop(), img.Hash, 800)
			theirs := "Handle,Title,Price,Image Src,Variant Image\nstolen,Stolen,1," + url + "," + url + "\n"
			imp := begin(t, m, other, them, []byte(theirs), false)
			if got := until(t, other, imp, fetched); got.Images.Failed != 1 || got.Images.Done != 0 {
				t.Errorf("%s: %+v", url, got)
			}
			if p := product(t, other, them, "stolen"); slices.ContainsFunc(p.Images, func(x catalog.Picture) bool { return x.Hash != "" }) || p.Variants[0].Image != "" {
				t.Errorf("%s: %+v", url, p)
			}
		}
		// Nor by a picture that it does not have, under its own name.
		url := shopURL("other") + media.URL(other.Shop(), img.Hash, 800)
		imp := begin(t, m, other, them, []byte("Handle,Title,Price,Image Src\nnone,None,1,"+url+"\n"), false)
		if got := until(t, other, imp, fetched); got.Images.Failed != 1 {
			t.Errorf("%+v", got)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != 5 {
			t.Errorf("fetched %q", asked)
		}
	})
}

// host is a made-up host of pictures whose answers the test gives.
type host struct {
	mu    sync.Mutex
	say   map[string]func() error // by address; none: it is there
	asked []string
}

func (h *host) fetch(_ context.Context, _ id.Shop, url string) (media.Image, error) {
	h.mu.Lock()
	h.asked = append(h.asked, url)
	say := h.say[url]
	h.mu.Unlock()
	if say != nil {
		if err := say(); err != nil {
			return media.Image{}, err
		}
	}
	return drawn(url), nil
}

func (h *host) answer(url string, fn func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.say == nil {
		h.say = map[string]func() error{}
	}
	h.say[url] = fn
}

func (h *host) times(url string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range h.asked {
		if u == url {
			n++
		}
	}
	return n
}

var (
	errForGood = errors.New("no such picture")
	errNow     = errors.New("the host is busy")
)

func hosted(h *host) func(*catalog.ImporterConfig) {
	return func(c *catalog.ImporterConfig) {
		c.Fetch, c.Lasting = h.fetch, func(err error) bool { return errors.Is(err, errForGood) }
	}
}

func TestAFailedImageIsAskedForAgain(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		const url = "https://x.example/1.jpg"
		file := []byte("Handle,Title,Price,Image Src\nmug,Mug,1," + url + "\n")
		h := &host{}
		h.answer(url, func() error { return errForGood })
		m := importer(t, f, hosted(h))
		first := begin(t, m, room, by, file, false)
		if got := until(t, room, first, fetched); got.Images.Failed != 1 || len(got.FailedImages) != 1 || got.FailedImages[0].URL != url || h.times(url) != 1 {
			t.Errorf("%+v, asked %d times", got, h.times(url))
		}
		h.answer(url, nil)
		second := begin(t, m, room, by, file, false)
		if got := until(t, room, second, fetched); got.Images != (catalog.ImageCounts{Done: 1}) {
			t.Errorf("the second: %+v", got)
		}
		if got := until(t, room, first, fetched); got.Images != (catalog.ImageCounts{Failed: 1}) {
			t.Errorf("the first, afterwards: %+v", got)
		}
		if p := product(t, room, by, "mug"); len(p.Images) != 1 || p.Images[0].Hash != drawn(url).Hash {
			t.Errorf("%+v", p.Images)
		}
		third := begin(t, m, room, by, file, false)
		if got := until(t, room, third, fetched); got.Images != (catalog.ImageCounts{}) || h.times(url) != 2 {
			t.Errorf("the third, when it is there: %+v", got)
		}
	})
}

func TestAnImageThatTwoImportsWaitFor(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		const url = "https://x.example/1.jpg"
		file := []byte("Handle,Title,Price,Image Src\nmug,Mug,1," + url + "\n")
		let := make(chan struct{})
		h := &host{}
		h.answer(url, func() error { <-let; return nil })
		m := importer(t, f, hosted(h))
		first := begin(t, m, room, by, file, false)
		until(t, room, first, ended)
		second := begin(t, m, room, by, file, false)
		until(t, room, second, ended)
		for _, imp := range []id.Import{first, second} {
			if got, err := catalog.ReadImport(t.Context(), room, imp); err != nil || got.Images != (catalog.ImageCounts{Queued: 1}) {
				t.Errorf("while it is queued: %+v, %v", got, err)
			}
		}
		close(let)
		for _, imp := range []id.Import{first, second} {
			if got := until(t, room, imp, fetched); got.Images != (catalog.ImageCounts{Done: 1}) {
				t.Errorf("when it is there: %+v", got)
			}
		}
	})
}

// clock is a clock that the test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) forward(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func TestImagesAreTriedAgain(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		const soon, never, gone = "https://x.example/soon.jpg", "https://x.example/never.jpg", "https://x.example/gone.jpg"
		h := &host{}
		h.answer(soon, func() error {
			if h.times(soon) < 3 {
				return errNow
			}
			return nil
		})
		h.answer(never, func() error { return errNow })
		h.answer(gone, func() error { return fault.Invalid("", "This is no picture.") })
		// Pausing moves the clock on, which runs besides: what is to be tried later
		// is due at once, and a desk that found nothing looks again.
		c, begun := &clock{now: time.Now().Add(time.Hour)}, time.Now()
		var mu sync.Mutex
		var pauses []int
		m := importer(t, f, hosted(h), func(i *catalog.ImporterConfig) {
			i.Now = func() time.Time { return c.Now().Add(time.Since(begun)) }
			i.ImagePause = func(attempt int) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				pauses = append(pauses, attempt)
				c.forward(time.Hour)
				return time.Hour
			}
		})
		file := fmt.Sprintf("Handle,Title,Price,Image Src\na,A,1,%s\nb,B,1,%s\nc,C,1,%s\n", soon, never, gone)
		got := until(t, room, begin(t, m, room, by, []byte(file), false), fetched)
		if got.Status != catalog.ImportDone || got.Images != (catalog.ImageCounts{Done: 1, Failed: 2}) {
			t.Errorf("%+v", got)
		}
		if a, b, c := h.times(soon), h.times(never), h.times(gone); a != 3 || b != 5 || c != 1 {
			t.Errorf("tried %d, %d and %d times", a, b, c)
		}
		for _, x := range got.FailedImages {
			if want := map[string]string{never: errNow.Error(), gone: "This is no picture."}[x.URL]; x.Error != want {
				t.Errorf("%+v", x)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if slices.Sort(pauses); fmt.Sprint(pauses) != "[1 1 2 2 3 4]" {
			t.Errorf("paused after attempts %v", pauses)
		}
	})
}

// An image is not tried again before its time.
func TestImagesWaitTheirTime(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		const url, other = "https://x.example/1.jpg", "https://x.example/2.jpg"
		h := &host{}
		h.answer(url, func() error {
			if h.times(url) < 2 {
				return errNow
			}
			return nil
		})
		c := &clock{now: time.Now().Add(time.Hour)}
		m := importer(t, f, hosted(h), func(i *catalog.ImporterConfig) {
			i.Now, i.ImagePause = c.Now, func(int) time.Duration { return time.Minute }
		})
		file := func(url string) []byte { return []byte("Handle,Title,Price,Image Src\nmug,Mug,1," + url + "\n") }
		first := begin(t, m, room, by, file(url), false)
		for range 3 { // the desk looks again each time
			imp := begin(t, m, room, by, file(other), false)
			until(t, room, imp, fetched)
			change(t, room, func(tx *db.Tx) error { // so that the next import asks for it anew
				pid, _, err := catalog.ByHandle(t.Context(), tx, "mug")
				if err != nil {
					return err
				}
				p, err := catalog.Read(t.Context(), tx, pid)
				if err != nil {
					return err
				}
				p.Images = slices.DeleteFunc(p.Images, func(i catalog.Image) bool { return i.Source == other })
				return catalog.Save(t.Context(), tx, &p)
			})
		}
		if got := until(t, room, first, ended); h.times(url) != 1 || h.times(other) != 3 || got.Images.Queued != 1 {
			t.Errorf("asked %d and %d times: %+v", h.times(url), h.times(other), got)
		}
		c.forward(time.Minute)
		if got := until(t, room, first, fetched); got.Images.Done != 1 || h.times(url) != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// A picture that makes a decoder panic is one failed image.
func TestAPictureThatPanics(t *testing.T) {
	opened(t, func(t *testing.T, f *fleet.Fleet, room *fleet.Room, by op.Caller) {
		h := &host{}
		h.answer("https://x.example/1.jpg", func() error { panic("index out of range") })
		m := importer(t, f, hosted(h))
		imp := begin(t, m, room, by, []byte("Handle,Title,Price,Image Src\nmug,Mug,1,https://x.example/1.jpg\nmug,,,https://x.example/2.jpg\n"), false)
		if got := until(t, room, imp, fetched); got.Images != (catalog.ImageCounts{Done: 1, Failed: 1}) {
			t.Errorf("%+v", got)
		}
	})
}
