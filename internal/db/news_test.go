package db

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"haat/internal/db/dbtest"
	"haat/internal/id"
)

// The book-keeping that the clock's own replaced: a row a shop, joined with
// every clock there is.
var (
	oldSchema = Schema("old", rowFiles(`
CREATE TABLE old_done (
	shop BIGINT NOT NULL,
	seq  BIGINT NOT NULL,
	PRIMARY KEY (shop)
);`))
	oldSetDone = Q(`
		INSERT INTO old_done (shop, seq) VALUES ($1, $2)
		ON CONFLICT (shop) DO UPDATE SET seq = excluded.seq WHERE old_done.seq < excluded.seq`)
	oldUndone = Across(`
		SELECT c.shop, c.seq - COALESCE(d.seq, 0) FROM shop_clock c LEFT JOIN old_done d ON d.shop = c.shop
		WHERE c.seq > COALESCE(d.seq, 0) ORDER BY c.shop`)
)

func openOld(t *testing.T, dsn string) *Shard {
	t.Helper()
	open := func(ctx context.Context, sets []*SchemaSet) (*Shard, error) {
		if strings.HasPrefix(dsn, "postgres") {
			return OpenPostgres(ctx, dsn, sets)
		}
		return OpenSQLite(ctx, dsn, SQLiteOptions{}, sets)
	}
	s, err := open(t.Context(), []*SchemaSet{oldSchema})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func pagedNews(t *testing.T, s *Shard, page int) (out []Count) {
	t.Helper()
	for after := id.Shop(0); ; {
		part, err := s.News(t.Context(), after, page)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, part...)
		if len(part) < page {
			return out
		}
		after = part[len(part)-1].Shop
	}
}

// Whatever shops emit, roll back, finish or erase: after every transaction the
// news are exactly what the join over all clocks finds.
func TestNewsAreWhatTheJoinFinds(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := openOld(t, dsn)
			const shops = 30
			seqs := map[id.Shop]int64{}
			failed := errors.New("not after all")
			for step := range 1500 {
				shop := id.Shop(1 + rand.IntN(shops))
				_, there := seqs[shop]
				var err error
				switch act := rand.IntN(10); {
				case !there:
					_, err = s.Create(ctx, shop, 1, func(*Tx) error { return nil })
					seqs[shop] = 0
				case act < 4: // a write that emits up to three events
					n := rand.IntN(4)
					_, err = s.Change(ctx, shop, 1, func(tx *Tx) error {
						for range n {
							tx.Append(Outgoing{Topic: "t", Payload: []byte("{}")})
						}
						return nil
					})
					seqs[shop] += int64(n)
				case act < 5: // one that fails
					_, err = s.Change(ctx, shop, 1, func(tx *Tx) error {
						tx.Append(Outgoing{Topic: "t", Payload: []byte("{}")})
						return errors.Join(SetDone(ctx, tx, seqs[shop]), failed)
					})
					if !errors.Is(err, failed) {
						t.Fatal(err)
					}
					err = nil
				case act < 9: // how far listeners are, while more may be emitted
					done, more := rand.Int64N(seqs[shop]+1), rand.IntN(5) == 0
					if rand.IntN(2) == 0 {
						done = seqs[shop]
					}
					_, err = s.Change(ctx, shop, 1, func(tx *Tx) error {
						if more {
							tx.Append(Outgoing{Topic: "t", Payload: []byte("{}")})
						}
						_, err := tx.Exec(ctx, oldSetDone, done)
						return errors.Join(err, SetDone(ctx, tx, done))
					})
					if more {
						seqs[shop]++
					}
				default:
					err = s.Erase(ctx, shop)
					delete(seqs, shop)
				}
				if err != nil {
					t.Fatal(err)
				}
				want, err := s.Across(ctx, oldUndone)
				if err != nil {
					t.Fatal(err)
				}
				if got := pagedNews(t, s, 1+rand.IntN(40)); !slices.Equal(got, want) {
					t.Fatalf("step %d: news %v, the join %v", step, got, want)
				}
			}
		})
	}
}

// done never passes what was emitted: else an event would be behind it that
// nobody has had.
func TestDoneStaysBehindTheClock(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := openOld(t, dsn)
			if _, err := s.Create(ctx, 1, 1, func(*Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct{ emit, done, left int64 }{{2, 0, 2}, {0, 3, 2}, {0, 2, 0}, {0, 1, 0}, {1, 0, 1}} {
				_, err := s.Change(ctx, 1, 1, func(tx *Tx) error {
					for range step.emit {
						tx.Append(Outgoing{Topic: "t", Payload: []byte("{}")})
					}
					return SetDone(ctx, tx, step.done)
				})
				if err != nil {
					t.Fatal(err)
				}
				var left int64
				for _, c := range pagedNews(t, s, 10) {
					left += c.N
				}
				if left != step.left {
					t.Errorf("after %+v there are %d left", step, left)
				}
			}
		})
	}
}

// Looking for news reads the index of those that have some, on both engines,
// and not every clock.
func TestNewsDoNotCountShops(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "s.db"), "postgres": dbtest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := openOld(t, dsn)
			var shops []Filling
			for i := range 5_000 {
				shops = append(shops, Filling{Shop: id.Shop(1 + i), Fill: func(*Tx) error { return nil }})
			}
			if err := s.Load(ctx, 1, shops); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Change(ctx, 7, 1, func(tx *Tx) error { tx.Append(Outgoing{Topic: "t", Payload: []byte("{}")}); return nil }); err != nil {
				t.Fatal(err)
			}
			var plan []string
			err := s.e.read(ctx, func(raw session) error {
				// Only the words of the plan are looked at, whatever columns it has.
				q := stmt{sqlite: "EXPLAIN QUERY PLAN " + news.sqlite, postgres: "EXPLAIN " + news.postgres}
				return raw.query(ctx, &q, []any{int64(0), int64(1000)}, func(scan func(...any) error) error {
					var line string
					var err error
					if name == "sqlite" {
						var a, b, c int64
						err = scan(&a, &b, &c, &line)
					} else {
						err = scan(&line)
					}
					plan = append(plan, line)
					return err
				})
			})
			if all := strings.Join(plan, "\n"); err != nil || !strings.Contains(all, "shop_clock_news") || strings.Contains(all, "SCAN") || strings.Contains(all, "Seq Scan") {
				t.Errorf("the plan:\n%s\n%v", all, err)
			}
			if got := pagedNews(t, s, 1000); !slices.Equal(got, []Count{{7, 1}}) {
				t.Errorf("news %v", got)
			}
		})
	}
}

// A tick of a shop that has news already writes its row and enters no index:
// the index of shops with news stands on no column that ticks change.
func TestTicksEnterNoIndex(t *testing.T) {
	ctx := t.Context()
	s := openOld(t, dbtest.Postgres(t))
	if err := s.Load(ctx, 1, []Filling{{Shop: 7, Fill: func(*Tx) error { return nil }}}); err != nil {
		t.Fatal(err)
	}
	tick := stmt{postgres: `SELECT o_n FROM haat_tick($1, 1, 0, ARRAY['\x01'::bytea], ARRAY['t'], ARRAY[''], ARRAY[''], ARRAY['\x02'::bytea], ARRAY[''])`}
	count := stmt{postgres: `SELECT pg_stat_get_xact_tuples_hot_updated('shop_clock'::regclass)`}
	number := func(raw session, q *stmt, args ...any) (n int64, err error) {
		err = raw.query(ctx, q, args, func(scan func(...any) error) error { return scan(&n) })
		return n, err
	}
	const ticks = 50
	hot := int64(0)
	for range ticks {
		err := s.e.write(ctx, &work{shop: 7, run: func(raw session) error {
			if _, err := number(raw, &tick, int64(7)); err != nil {
				return err
			}
			n, err := number(raw, &count)
			hot += n
			return err
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if hot < ticks-5 {
		t.Errorf("%d of %d ticks entered no index", hot, ticks)
	}
}
