package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/media/bucket"
	"haat/internal/media/bucket/buckettest"
	"haat/internal/media/mediatest"
)

func open(t *testing.T, s *buckettest.Server, prefix string) *bucket.Bucket {
	t.Helper()
	at, err := bucket.Parse(s.Address(prefix))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bucket.Open(t.Context(), at, s.Keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func near(t *testing.T, far media.Store, dir string, most int64) *media.Near {
	t.Helper()
	disk, err := media.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := media.NewNear(far, disk, most, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func TestABucketIsAStore(t *testing.T) {
	s := buckettest.Start(t)
	n := 0
	mediatest.Conform(t, func(t *testing.T) (media.Store, func(t *testing.T) media.Store) {
		n++
		prefix := fmt.Sprintf("bare/%d", n)
		return open(t, s, prefix), func(t *testing.T) media.Store { return open(t, s, prefix) }
	})
}

func TestABucketWithANearIsAStore(t *testing.T) {
	s := buckettest.Start(t)
	n := 0
	mediatest.Conform(t, func(t *testing.T) (media.Store, func(t *testing.T) media.Store) {
		n++
		again := func(t *testing.T) media.Store { return near(t, open(t, s, fmt.Sprint(n)), t.TempDir(), 1<<20) }
		return again(t), again
	})
}

// One bucket may serve two platforms: neither sees the other's.
func TestPrefixesAreApart(t *testing.T) {
	s := buckettest.Start(t)
	a, b := open(t, s, "a"), open(t, s, "")
	if err := a.Put(t.Context(), "shop/abc.json", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Open(t.Context(), "shop/abc.json"); !fault.Is(err, fault.KindNotFound) {
		t.Error("seen without its prefix:", err)
	}
	if _, _, err := open(t, s, "ab").Open(t.Context(), "shop/abc.json"); !fault.Is(err, fault.KindNotFound) {
		t.Error("seen under another prefix:", err)
	}
	if r, _, err := b.Open(t.Context(), "a/shop/abc.json"); err != nil {
		t.Error(err)
	} else {
		r.Close()
	}
}

// What cannot work is refused in one line that names it and holds no key.
func TestAWrongBucketIsRefused(t *testing.T) {
	s := buckettest.Start(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := silent.Addr().String()
	silent.Close()
	good := s.Address("x")
	for _, c := range []struct {
		address string
		keys    bucket.Keys
		want    string
	}{
		{strings.Replace(good, "pictures", "nowhere", 1), s.Keys, `there is no bucket "nowhere" at 127.0.0.1`},
		{good, bucket.Keys{Access: "somebody-else", Secret: s.Keys.Secret}, "does not know the key of AWS_ACCESS_KEY_ID"},
		{good, bucket.Keys{Access: s.Keys.Access, Secret: "a-wrong-secret"}, "refuses the key of AWS_SECRET_ACCESS_KEY"},
		{good, bucket.Keys{}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		{"s3://pictures?endpoint=http://" + nobody, s.Keys, "http://" + nobody + " cannot be reached: "},
	} {
		at, err := bucket.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = bucket.Open(t.Context(), at, c.keys)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, not %q", c.address, err, c.want)
		}
		for _, secret := range []string{c.keys.Secret, c.keys.Access} {
			if secret != "" && err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("a key is in %q", err)
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"s3://pictures":                                     "s3://pictures?endpoint=https://s3.amazonaws.com",
		"s3://pictures/a/b/?region=eu-central-1":            "s3://pictures/a/b?endpoint=https://s3.amazonaws.com&region=eu-central-1",
		"s3://my.pictures/?endpoint=http://10.0.0.1:9000/":  "s3://my.pictures?endpoint=http://10.0.0.1:9000",
		"s3://pictures?region=x&endpoint=https://minio.lan": "s3://pictures?endpoint=https://minio.lan&region=x",
	} {
		a, err := bucket.Parse(in)
		if err != nil || a.String() != want {
			t.Errorf("%s: %v, %v", in, a, err)
			continue
		}
		if b, err := bucket.Parse(a.String()); err != nil || b.String() != want {
			t.Errorf("%s does not read back: %v, %v", want, b, err)
		}
	}
	for _, in := range []string{"", "pictures", "s3:pictures", "s3://", "s3://P", "s3://key:secret@pictures", "s3://pictures/../x", "s3://pictures/a//b", "s3://pictures/.x", "s3://pictures?x=1",
		"s3://pictures?endpoint=host", "s3://pictures?endpoint=ftp://host", "s3://pictures?endpoint=https://host/path", "s3://pictures?endpoint=https://a:b@host", "s3://pictures#x", "https://pictures"} {
		_, err := bucket.Parse(in)
		if err == nil {
			t.Errorf("%q was taken", in)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: a key is in %q", in, err)
		}
	}
}

// A bucket that is away: what is nearby goes on, what is not is Busy and soon,
// and all is well when it is back.
func TestABucketThatGoesAway(t *testing.T) {
	s := buckettest.Start(t)
	far := open(t, s, "x")
	dir := t.TempDir()
	n := near(t, far, dir, 10<<20)
	for _, key := range []string{"shop/seen-160.webp", "shop/unseen-160.webp"} {
		if err := far.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := body(t, n, "shop/seen-160.webp"); err != nil || got != "shop/seen-160.webp" {
		t.Fatal(got, err)
	}
	s.Stop()
	busy := func(what string, err error) {
		t.Helper()
		if f := fault.Of(err); f == nil || f.Kind != fault.KindBusy || f.Code != "media-away" || f.RetryAfter == 0 {
			t.Errorf("%s: %v", what, err)
		} else if strings.Contains(err.Error(), s.Keys.Secret) || strings.Contains(err.Error(), s.Keys.Access) {
			t.Errorf("%s: a key is in %q", what, err)
		}
	}
	for range 3 {
		if got, err := body(t, n, "shop/seen-160.webp"); err != nil || got != "shop/seen-160.webp" {
			t.Error("what is nearby:", got, err)
		}
		_, err := body(t, n, "shop/unseen-160.webp")
		busy("what is not nearby", err)
		busy("an upload", n.Put(t.Context(), "shop/new-160.webp", []byte("new")))
		if got, err := body(t, n, "shop/new-160.webp"); err == nil {
			t.Error("what the bucket has not is there:", got)
		}
	}
	start := time.Now()
	for range 200 {
		_, _, err := far.Open(t.Context(), "shop/unseen-160.webp")
		busy("many", err)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("200 calls to a bucket that is away took %v", took)
	}
	s.Again(t)
	back := time.NewTicker(20 * time.Millisecond)
	defer back.Stop()
	for {
		if _, err := body(t, n, "shop/unseen-160.webp"); err == nil {
			break
		}
		select {
		case <-back.C:
		case <-t.Context().Done():
			t.Fatal("it does not come back")
		}
		if time.Since(start) > 30*time.Second {
			t.Fatal("it does not come back")
		}
	}
	if err := n.Put(t.Context(), "shop/new-160.webp", []byte("new")); err != nil {
		t.Error(err)
	}
	if got, err := body(t, open(t, s, "x"), "shop/new-160.webp"); got != "new" || err != nil {
		t.Error(got, err)
	}
}

func body(t *testing.T, s media.Store, key string) (string, error) {
	t.Helper()
	r, _, err := s.Open(t.Context(), key)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// A server that takes the connection and never says a word: a caller who
// leaves is not held, and what is read half is an error, not half a picture.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	s := buckettest.Start(t)
	far := open(t, s, "x")
	big := bytes.Repeat([]byte("0123456789"), 800_000)
	if err := far.Put(t.Context(), "shop/big-160.webp", big); err != nil {
		t.Fatal(err)
	}
	r, _, err := far.Open(t.Context(), "shop/big-160.webp")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	rest, err := io.ReadAll(r)
	if !fault.Is(err, fault.KindBusy) || len(rest) >= len(big)-1000 {
		t.Errorf("%d bytes of %d, and %v", len(rest), len(big), err)
	}
}

// counting counts how often a store is asked for a blob.
type counting struct {
	media.Store
	opened atomic.Int64
}

func (c *counting) Open(ctx context.Context, key string) (io.ReadSeekCloser, time.Time, error) {
	c.opened.Add(1)
	return c.Store.Open(ctx, key)
}

// However many ask at once, and however often, a blob is fetched once; also
// by the next process on the same disk.
func TestABlobIsFetchedOnce(t *testing.T) {
	s := buckettest.Start(t)
	far := &counting{Store: open(t, s, "x")}
	want := strings.Repeat("picture ", 10_000)
	if err := far.Put(t.Context(), "shop/abc-160.webp", []byte(want)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 2 {
		n := near(t, far, dir, 10<<20)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := body(t, n, "shop/abc-160.webp"); got != want || err != nil {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
		wg.Wait()
		n.Close()
	}
	if far.opened.Load() != 1 {
		t.Errorf("fetched %d times", far.opened.Load())
	}
}

// What is nearby stays within its bound, and what is looked at stays longest.
func TestWhatIsNearbyIsBounded(t *testing.T) {
	s := buckettest.Start(t)
	far := &counting{Store: open(t, s, "x")}
	dir := t.TempDir()
	const most = 100_000
	n := near(t, far, dir, most)
	put := func(i int) string {
		key := fmt.Sprintf("shop/pic%03d-160.webp", i)
		if err := n.Put(t.Context(), key, bytes.Repeat([]byte{byte(i)}, 5000)); err != nil {
			t.Fatal(err)
		}
		return key
	}
	loved := put(0)
	for i := range 100 {
		put(i + 1)
		if got, err := body(t, n, loved); err != nil || len(got) != 5000 {
			t.Fatal(len(got), err)
		}
	}
	if far.opened.Load() != 0 {
		t.Errorf("what is looked at all the time was fetched %d times", far.opened.Load())
	}
	if got, err := body(t, n, "shop/pic001-160.webp"); err != nil || len(got) != 5000 || got[0] != 1 || far.opened.Load() != 1 {
		t.Errorf("what was driven out: %d bytes, %v, fetched %d times", len(got), err, far.opened.Load())
	}
	n.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "*"))
	if err != nil || len(files)*5000 > most+2*5000 || len(files) < 5 {
		t.Errorf("%d files nearby, %v", len(files), err)
	}
	near(t, far, dir, most) // counts what is there
}

// Where the disk has no room, pictures are streamed and none is kept.
func TestWithoutRoomPicturesAreStreamed(t *testing.T) {
	s := buckettest.Start(t)
	far := open(t, s, "x")
	dir := t.TempDir()
	disk, err := media.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := media.NewNear(far, disk, 1<<20, func() error { return errors.New("the disk is nearly full") })
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Put(t.Context(), "shop/abc-160.webp", []byte("picture")); err != nil {
		t.Fatal(err)
	}
	if got, err := body(t, n, "shop/abc-160.webp"); got != "picture" || err != nil {
		t.Error(got, err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "g*")); len(files) != 0 {
		t.Errorf("kept: %v", files)
	}
}

func pictureOf(t *testing.T, shade byte) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 700, 400))
	for i := range img.Pix {
		img.Pix[i] = byte(i) * shade
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every process sees every picture as soon as its upload is answered.
func TestEveryProcessSeesEveryPicture(t *testing.T) {
	s := buckettest.Start(t)
	var processes []*media.Library
	for range 3 {
		processes = append(processes, media.NewLibrary(near(t, open(t, s, "x"), t.TempDir(), 10<<20), 2))
	}
	shop := id.NewShop()
	var wg sync.WaitGroup
	for i, mine := range processes {
		wg.Go(func() {
			for j := range 4 {
				m, err := mine.Add(t.Context(), shop, pictureOf(t, byte(i*4+j+1)))
				if err != nil {
					t.Error(err)
					return
				}
				for k, other := range processes {
					if got, ok, err := other.Find(t.Context(), shop, m.Hash); err != nil || !ok || got != m {
						t.Errorf("process %d does not find what %d has: %v", k, i, err)
					}
					for _, w := range m.Widths() {
						r, _, err := other.Open(t.Context(), shop, m.Hash, w)
						if err != nil {
							t.Errorf("process %d, width %d: %v", k, w, err)
							continue
						}
						if b, err := io.ReadAll(r); err != nil || !bytes.HasPrefix(b, []byte("RIFF")) {
							t.Errorf("process %d, width %d: %d bytes, %v", k, w, len(b), err)
						}
						r.Close()
					}
				}
			}
		})
	}
	wg.Wait()
}

// A picture that another process has removed is made anew when it is uploaded
// once more, wherever that is: what is nearby does not pass for what is in the
// bucket.
func TestWhatIsNearbyIsNotTakenForTheBucket(t *testing.T) {
	s := buckettest.Start(t)
	a := media.NewLibrary(near(t, open(t, s, "x"), t.TempDir(), 10<<20), 2)
	b := media.NewLibrary(near(t, open(t, s, "x"), t.TempDir(), 10<<20), 2)
	shop, in := id.NewShop(), pictureOf(t, 3)
	m, err := a.Add(t.Context(), shop, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), shop, m.Hash); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add(t.Context(), shop, in); err != nil {
		t.Fatal(err)
	}
	for _, w := range m.Widths() {
		r, _, err := b.Open(t.Context(), shop, m.Hash, w)
		if err != nil {
			t.Errorf("width %d is not in the bucket: %v", w, err)
			continue
		}
		r.Close()
	}
}

// dying is a bucket whose server is killed at the nth write.
type dying struct {
	media.Store
	left atomic.Int64
	kill func()
}

func (d *dying) Put(ctx context.Context, key string, data []byte) error {
	if d.left.Add(-1) == 0 {
		d.kill()
	}
	return d.Store.Put(ctx, key, data)
}

// The server of the bucket is killed at each write of an upload in turn: the
// upload is refused, so no row names it; nothing passes for a whole picture;
// and the same upload mends it.
func TestAnUploadThatTheBucketDiesUnder(t *testing.T) {
	s := buckettest.Start(t)
	far := &dying{Store: open(t, s, "x"), kill: s.Stop}
	l := media.NewLibrary(far, 2)
	shop := id.NewShop()
	writes := len(media.Widths(700)) + 1
	for n := 1; n <= writes; n++ {
		in := pictureOf(t, byte(2*n+1))
		far.left.Store(int64(n))
		if _, err := l.Add(t.Context(), shop, in); !fault.Is(err, fault.KindBusy) {
			t.Fatalf("write %d of %d: %v", n, writes, err)
		}
		s.Again(t)
		look := open(t, s, "x") // which does not rest
		if _, err := look.Size(t.Context(), shop.String()+"/"+media.Hash(in)+".json"); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("write %d: a card without its picture: %v", n, err)
		}
		far.Store = look
		m, err := l.Add(t.Context(), shop, in)
		if err != nil {
			t.Fatalf("once more after write %d: %v", n, err)
		}
		for _, w := range m.Widths() {
			if r, _, err := l.Open(t.Context(), shop, m.Hash, w); err != nil {
				t.Errorf("after write %d, width %d: %v", n, w, err)
			} else {
				r.Close()
			}
		}
	}
}
