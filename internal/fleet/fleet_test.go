package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

var noteSchema = db.Schema("note", fstest.MapFS{"schema/0001_note.sql": {Data: []byte(`
-- narrow
CREATE TABLE note (
	shop BIGINT NOT NULL,
	id   BIGINT NOT NULL,
	text TEXT,
	on_  BOOLEAN NOT NULL,
	data BYTEA,
	at   BIGINT NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE INDEX note_text ON note (shop, text);`)}})

var (
	putNote  = db.Q(`INSERT INTO note (shop, id, text, on_, data, at) VALUES ($1, $2, $3, $4, $5, $6)`)
	getNotes = db.Q(`SELECT id, text, on_, data, at FROM note WHERE shop = $1 ORDER BY id`)
	setNote  = db.Q(`UPDATE note SET text = $3 WHERE shop = $1 AND id = $2 RETURNING text`)
)

type note struct {
	id   int64
	text *string
	on   bool
	data []byte
	at   time.Time
}

func scanNote(n *note) []any { return []any{&n.id, &n.text, &n.on, &n.data, &n.at} }

func notes(t *testing.T, room *fleet.Room) (out []note, mark db.Mark) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		mark = r.Mark()
		out, err = db.All(t.Context(), r, getNotes, scanNote)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, mark
}

func each(t *testing.T, fn func(t *testing.T, room *fleet.Room)) {
	fleettest.Each(t, []*db.SchemaSet{noteSchema}, fn)
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	each(t, func(t *testing.T, room *fleet.Room) {
		ctx := t.Context()
		at := time.Now().UTC().Truncate(time.Microsecond)
		text := "नमस्ते"
		before, err := room.Change(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, putNote, 1, &text, true, []byte{0, 1, 255}, at); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, putNote, 2, (*string)(nil), false, nil, time.Time{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got, mark := notes(t, room)
		if mark != before || mark.N != 2 || mark.Epoch != 1 || mark.Term != 1 {
			t.Errorf("read at %v, written at %v; want n = 2, after the shop's creation", mark, before)
		}
		if len(got) != 2 || *got[0].text != text || !got[0].on || string(got[0].data) != "\x00\x01\xff" || !got[0].at.Equal(at) {
			t.Errorf("first row: %+v", got)
		}
		if got[1].text != nil || got[1].on || got[1].data != nil || !got[1].at.IsZero() {
			t.Errorf("second row: %+v", got[1])
		}
		parsed, err := db.ParseMark(room.Shop(), mark.String())
		mark.Seq = 0
		if err != nil || parsed != mark {
			t.Errorf("mark %v read back as %v, %v", mark, parsed, err)
		}
	})
}

func TestAFailedChangeLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, room *fleet.Room) {
		ctx := t.Context()
		boom := errors.New("boom")
		for name, fn := range map[string]func(tx *db.Tx) error{
			"error": func(*db.Tx) error { return boom },
			"panic": func(*db.Tx) error { panic("boom") },
			"twice": func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, putNote, 7, "x", false, nil, tx.Now())
				return err
			},
		} {
			_, err := room.Change(ctx, func(tx *db.Tx) error {
				if _, err := tx.Exec(ctx, putNote, 7, "x", false, nil, tx.Now()); err != nil {
					return err
				}
				return fn(tx)
			})
			if err == nil {
				t.Errorf("%s: the change succeeded", name)
			}
			if name == "twice" && !errors.Is(err, db.ErrUnique) {
				t.Errorf("a second row with the same key: %v", err)
			}
			if got, mark := notes(t, room); len(got) != 0 || mark.N != 1 {
				t.Errorf("%s left %d rows, clock at %v", name, len(got), mark)
			}
		}
	})
}

// Many writers of one shop: every acknowledged change is there, n and seq have
// no gap, and events stand in the outbox in the order of the marks.
func TestTheClockCountsEveryWrite(t *testing.T) {
	each(t, func(t *testing.T, room *fleet.Room) {
		ctx := t.Context()
		const writers, each = 16, 25
		var wg sync.WaitGroup
		var marks sync.Map
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					k := int64(w*each + i)
					mark, err := room.Change(ctx, func(tx *db.Tx) error {
						if _, err := tx.Exec(ctx, putNote, k, "x", false, nil, tx.Now()); err != nil {
							return err
						}
						if k%5 == 0 {
							return errors.New("every fifth is given up")
						}
						tx.Append(db.Outgoing{ID: newEvent(), Topic: "note", Key: fmt.Sprint(k), Payload: []byte("{}")})
						return nil
					})
					if (err != nil) != (k%5 == 0) {
						t.Errorf("write %d: %v", k, err)
					}
					if err == nil {
						if _, twice := marks.LoadOrStore(mark.N, k); twice {
							t.Errorf("mark %v was given twice", mark)
						}
					}
				}
			})
		}
		wg.Wait()
		got, mark := notes(t, room)
		if want := writers * each * 4 / 5; len(got) != want || mark.N != int64(want)+1 {
			t.Errorf("%d rows at mark %v, want %d", len(got), mark, want)
		}
	})
}

func newEvent() (e id.Event) {
	k := id.New[struct{}]()
	copy(e[:], k[:])
	return e
}

// A group commit holds the work of many callers. One that gives up must not
// take its neighbours with it.
func TestOneCancelledOfManyTakesNobodyWithIt(t *testing.T) {
	each(t, func(t *testing.T, room *fleet.Room) {
		const n = 64
		var wg sync.WaitGroup
		var saved atomic.Int64
		for i := range n {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				_, err := room.Change(ctx, func(tx *db.Tx) error {
					_, err := tx.Exec(ctx, putNote, i, "x", false, nil, tx.Now())
					if i == 13 {
						cancel()
						_, err = tx.Exec(ctx, putNote, 1000+i, "x", false, nil, tx.Now())
					}
					return err
				})
				switch {
				case i == 13 && err == nil:
					t.Error("the cancelled change was acknowledged")
				case i != 13 && err != nil:
					t.Errorf("change %d: %v", i, err)
				case err == nil:
					saved.Add(1)
				}
			})
		}
		wg.Wait()
		if got, _ := notes(t, room); saved.Load() != n-1 || len(got) != n-1 {
			t.Errorf("%d acknowledged, %d there, want %d", saved.Load(), len(got), n-1)
		}
	})
}

func TestAStatementCannotReachAnotherShop(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{noteSchema}, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		// Enough shops that two of them share a shard.
		rooms := []*fleet.Room{fleettest.NewShop(t, f, "a"), fleettest.NewShop(t, f, "b"), fleettest.NewShop(t, f, "c")}
		for i, r := range rooms {
			_, err := r.Change(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, putNote, 1, fmt.Sprint(i), false, nil, tx.Now())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := rooms[0].Change(ctx, func(tx *db.Tx) error {
			got, err := db.All(ctx, tx, setNote, func(s *string) []any { return []any{s} }, 1, "changed")
			if len(got) != 1 || got[0] != "changed" {
				t.Errorf("returned %q", got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"changed", "1", "2"} {
			if got, _ := notes(t, rooms[i]); len(got) != 1 || *got[0].text != want {
				t.Errorf("shop %d: %v", i, got)
			}
		}
	})
}

func TestAReaderCannotWrite(t *testing.T) {
	each(t, func(t *testing.T, room *fleet.Room) {
		err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
			_, err := db.All(t.Context(), r, setNote, func(s *string) []any { return []any{s} }, 1, "changed")
			return err
		})
		if err == nil {
			t.Error("a View wrote")
		}
	})
}

// The fence: a shop that is not open here at the epoch the writer knows takes
// no write, whatever its statements did before the tick.
func TestTheFenceHolds(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{noteSchema}, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		room := fleettest.NewShop(t, f, "fenced")
		shard := f.Shard(room.Shard())
		for _, epoch := range []int64{0, 2} {
			_, err := shard.Change(ctx, room.Shop(), epoch, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, putNote, 1, "orphan", false, nil, tx.Now())
				return err
			})
			if !errors.Is(err, db.ErrMoved) {
				t.Errorf("epoch %d: %v, want ErrMoved", epoch, err)
			}
		}
		if got, mark := notes(t, room); len(got) != 0 || mark.N != 1 {
			t.Errorf("%d rows got past the fence, clock at %v", len(got), mark)
		}
		ahead := db.Mark{Shop: room.Shop(), Epoch: 1, Term: 1, N: 99}
		if err := room.View(ctx, fleet.After(ahead), func(db.Reader) error { return nil }); err == nil {
			t.Error("a mark ahead of the shop's clock must be said aloud")
		}
	})
}

func TestHosts(t *testing.T) {
	fleettest.EachFleet(t, nil, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		fleettest.NewShop(t, f, "ravis-store")
		for _, host := range []string{"ravis-store.haat.test", "RAVIS-store.haat.test:8080", "ravis-store.haat.test."} {
			if r, err := f.ByHost(ctx, host); err != nil || r.Slug() != "ravis-store" {
				t.Errorf("%s: %v", host, err)
			}
		}
		for _, host := range []string{"", "haat.test", "nobody.haat.test", "a.b.haat.test", "ravis-store.haat.test.evil.com", "[::1]:80", "-x.haat.test", "ravis_store.haat.test"} {
			if _, err := f.ByHost(ctx, host); !fault.Is(err, fault.KindNotFound) {
				t.Errorf("%q: %v, want not found", host, err)
			}
		}
		_, err := f.Create(ctx, id.NewShop(), "ravis-store", "x", func(*db.Tx) error { return nil }, func(*db.ControlTx) error { return nil })
		if !fault.Is(err, fault.KindConflict) {
			t.Errorf("a slug twice: %v", err)
		}
	})
}

// A sign-up that dies between shard and directory leaves rows that nobody can
// reach. The same sign-up can go on; a sweep erases what was given up.
func TestOrphans(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{noteSchema}, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		keep := fleettest.NewShop(t, f, "keep")
		died := errors.New("died")
		orphan, resumed := id.NewShop(), id.NewShop()
		for _, shop := range []id.Shop{orphan, resumed} {
			_, err := f.Create(ctx, shop, "new-"+shop.String(), "x", func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, putNote, 1, "x", false, nil, tx.Now())
				return err
			}, func(*db.ControlTx) error { return died })
			if !errors.Is(err, died) {
				t.Fatalf("create: %v", err)
			}
		}
		again := func() error {
			_, err := f.Create(ctx, resumed, "resumed", "x", func(*db.Tx) error { return nil }, func(*db.ControlTx) error { return nil })
			return err
		}
		if err := again(); err != nil {
			t.Fatalf("going on: %v", err)
		}
		if n, err := f.SweepOrphans(ctx, time.Hour); n != 0 || err != nil {
			t.Errorf("swept %d fresh shops, %v", n, err)
		}
		if n, err := f.SweepOrphans(ctx, -time.Minute); n != 1 || err != nil {
			t.Errorf("swept %d, %v; want the one orphan", n, err)
		}
		if _, mark := notes(t, keep); mark.N != 1 {
			t.Errorf("the sweep touched a living shop: %v", mark)
		}
		if n, err := f.Count(ctx); n != 2 || err != nil {
			t.Errorf("%d shops in the directory, %v", n, err)
		}
	})
}

// Orphans among more shops than one sweep looks at are all found by the sweeps
// that follow, and every shop is counted, old or new.
func TestSweepsAndCountsGoOn(t *testing.T) {
	fleettest.EachFleet(t, []*db.SchemaSet{noteSchema}, nil, func(t *testing.T, f *fleet.Fleet) {
		ctx := t.Context()
		f.SetPage(5) // a hundred shops a sweep, on each shard
		var old []fleet.Filling
		for i := range 500 {
			at := time.Now().Add(-time.Duration(1000-i) * time.Minute)
			filling := db.Filling{Shop: id.ShopAt(at, uint32(i)), Made: at, Fill: func(*db.Tx) error { return nil }}
			if i%50 != 49 {
				old = append(old, fleet.Filling{Filling: filling, Slug: fmt.Sprint("shop", i), Name: "x", Own: func(*db.ControlTx) error { return nil }})
				continue
			}
			names := f.ShardNames()
			if err := f.Shard(names[int64(filling.Shop)%int64(len(names))]).Load(ctx, 1, []db.Filling{filling}); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := f.Load(ctx, old); n != 490 || err != nil {
			t.Fatalf("loaded %d, %v", n, err)
		}
		erased, sweeps := 0, 0
		for ; erased < 10 && sweeps < 20; sweeps++ {
			n, err := f.SweepOrphans(ctx, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			erased += n
		}
		if erased != 10 || sweeps < 2 {
			t.Errorf("erased %d of 10 orphans in %d sweeps", erased, sweeps)
		}
		for n := range 3 {
			if got, err := f.Count(ctx); got != int64(490+n) || err != nil {
				t.Errorf("counted %d, %v; want %d", got, err, 490+n)
			}
			fleettest.NewShop(t, f, fmt.Sprint("new", n))
		}
	})
}
