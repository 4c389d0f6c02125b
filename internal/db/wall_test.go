package db

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgconn"

	"haat/internal/db/dbtest"
	"haat/internal/id"
)

// Statements that have lost their WHERE. The shop is bound and not used.
var (
	allRows   = Q(`SELECT k FROM one_row WHERE $1::bigint IS NOT NULL ORDER BY k`)
	raiseAll  = Q(`UPDATE one_row SET k = k + 100 WHERE $1::bigint IS NOT NULL`)
	deleteAll = Q(`DELETE FROM one_row WHERE $1::bigint IS NOT NULL`)
	putOther  = Q(`INSERT INTO one_row (shop, k) VALUES ($1::bigint + 1, $2)`)
	giveAway  = Q(`UPDATE one_row SET shop = $1 + 1`)
	crowd     = Across(`SELECT shop, k FROM one_row ORDER BY shop`)
	crowdKill = Across(`DELETE FROM one_row RETURNING shop, k`)
)

// twoShops opens a shard with a row k = shop*10 in each of two shops.
func twoShops(t *testing.T, dsn string) *Shard {
	t.Helper()
	s, err := open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for shop := range id.Shop(2) {
		_, err := s.Create(t.Context(), shop+1, 1, func(tx *Tx) error {
			_, err := tx.Exec(t.Context(), putRow, int64(shop+1)*10)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// seen runs a query of ks in a View of a shop.
func seen(t *testing.T, s *Shard, shop id.Shop, q *SQL) (ks []int64) {
	t.Helper()
	err := s.View(t.Context(), shop, 1, func(v *View) (err error) {
		ks, err = All(t.Context(), v, q, func(k *int64) []any { return []any{k} })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// A statement without its WHERE finds and harms nothing of another shop.
func TestAStatementWithoutItsWhereStaysInItsShop(t *testing.T) {
	s := twoShops(t, dbtest.Postgres(t))
	ctx := t.Context()
	exec := func(q *SQL, args ...any) (n int64, err error) {
		_, err = s.Change(ctx, 1, 1, func(tx *Tx) (err error) { n, err = tx.Exec(ctx, q, args...); return err })
		return n, err
	}
	if ks := seen(t, s, 1, allRows); len(ks) != 1 || ks[0] != 10 {
		t.Errorf("read %v", ks)
	}
	if n, err := exec(raiseAll); n != 1 || err != nil {
		t.Errorf("updated %d, %v", n, err)
	}
	for _, q := range []*SQL{putOther, giveAway} {
		var pg *pgconn.PgError
		_, err := exec(q, []any{5}[:strings.Count(q.postgres, "$2")]...)
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v", q.postgres, err)
		}
	}
	if n, err := exec(deleteAll); n != 1 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	if mine, other := seen(t, s, 1, getRows), seen(t, s, 2, getRows); len(mine) != 0 || len(other) != 1 || other[0] != 20 {
		t.Errorf("left are %v and %v", mine, other)
	}
	// The setting ended with its transaction: whoever comes next on the same
	// connection has entered no shop.
	var n int64
	err := s.e.read(ctx, func(raw session) error {
		return each(ctx, raw, &countRows, func(k *int64) []any { return []any{k} }, func(k int64) error { n = k; return nil }, nil)
	})
	if err != nil || n != 0 {
		t.Errorf("outside of any shop there are %d rows, %v", n, err)
	}
}

var countRows = newStmt(`SELECT COUNT(*) FROM one_row`)

// Without the wall every one of those statements does its harm: what the test
// above sees is the wall, and nothing else.
func TestWithoutTheWallTheyReachEveryShop(t *testing.T) {
	s := twoShops(t, dbtest.Postgres(t))
	ctx := t.Context()
	err := s.e.migrate(ctx, func(_ session, script func(string) error) error { return script(lowerWall) })
	if err != nil {
		t.Fatal(err)
	}
	if ks := seen(t, s, 1, allRows); len(ks) != 2 {
		t.Errorf("read %v", ks)
	}
	var n int64
	_, err = s.Change(ctx, 1, 1, func(tx *Tx) (err error) {
		if _, err := tx.Exec(ctx, putOther, 5); err != nil {
			return err
		}
		n, err = tx.Exec(ctx, deleteAll)
		return err
	})
	if err != nil || n != 3 {
		t.Errorf("deleted %d, %v", n, err)
	}
}

// Across sees every shop, writes to none, and is counted.
func TestAcrossReadsEveryShopAndIsCounted(t *testing.T) {
	s := twoShops(t, dbtest.Postgres(t))
	before := s.Acrosses()
	all, err := s.Across(t.Context(), crowd)
	if err != nil || len(all) != 2 || all[1] != (Count{2, 20}) {
		t.Errorf("across %v, %v", all, err)
	}
	if _, err := s.Across(t.Context(), crowdKill); err == nil {
		t.Error("deleted across shops")
	}
	if n := s.Acrosses() - before; n != 2 {
		t.Errorf("counted %d", n)
	}
	// The way through is for reading even where the transaction may write.
	err = s.e.write(t.Context(), &work{run: func(raw session) error {
		leave(raw)
		n, err := exec(t.Context(), raw, &killRows, nil)
		if n != 0 {
			t.Errorf("deleted %d rows", n)
		}
		return err
	}})
	if err != nil {
		t.Error(err)
	}
	if ks := seen(t, s, 1, allRows); len(ks) != 1 {
		t.Errorf("afterwards a shop reads %v", ks)
	}
}

var killRows = newStmt(`DELETE FROM one_row`)

// unwalled lists the tables with a shop that the second wall does not cover.
const unwalled = `
	SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'shop' AND NOT a.attisdropped
		AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
			SELECT FROM pg_policies p WHERE p.tablename = c.relname AND p.policyname = 'haat_shop' AND p.cmd = 'ALL' AND p.qual LIKE '%haat.shop%'))
	ORDER BY 1`

func unwalledTables(t *testing.T, s *Shard) (names []string) {
	t.Helper()
	q := newStmt(unwalled)
	err := s.e.read(t.Context(), func(raw session) error {
		return each(t.Context(), raw, &q, func(n *string) []any { return []any{n} }, func(n string) error { names = append(names, n); return nil }, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A table of any later step gets its policy, and a step may write rows of
// every shop. One that somebody made by hand is found out, and covered when
// the program next starts.
func TestNoTableIsForgotten(t *testing.T) {
	dsn := dbtest.Postgres(t)
	s := twoShops(t, dsn)
	later := Schema("row", fstest.MapFS{
		"schema/0001_row.sql": rowSchema.files.(fstest.MapFS)["schema/0001_row.sql"],
		"schema/0002_b.sql": {Data: []byte(`
			CREATE TABLE two_row (shop BIGINT NOT NULL, k BIGINT NOT NULL, PRIMARY KEY (shop, k));
			INSERT INTO two_row (shop, k) SELECT shop, k + 1 FROM one_row;
			CREATE TABLE no_shop (k BIGINT PRIMARY KEY);`)},
	})
	reopen := func() *Shard {
		s, err := OpenPostgres(t.Context(), dsn, []*SchemaSet{later})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	up := reopen()
	if ks := seen(t, up, 2, Q(`SELECT k FROM two_row WHERE $1::bigint IS NOT NULL`)); len(ks) != 1 || ks[0] != 21 {
		t.Errorf("the new table: %v", ks)
	}
	if ks := seen(t, s, 2, allRows); len(ks) != 1 || ks[0] != 20 {
		t.Errorf("the old table, read by the old program: %v", ks)
	}
	if bad := unwalledTables(t, up); bad != nil {
		t.Errorf("without a policy: %v", bad)
	}
	err := up.e.migrate(t.Context(), func(_ session, script func(string) error) error {
		return script(`CREATE TABLE by_hand (shop BIGINT NOT NULL); DROP POLICY haat_shop ON two_row`)
	})
	if err != nil {
		t.Fatal(err)
	}
	if bad := unwalledTables(t, up); len(bad) != 2 {
		t.Errorf("made by hand, and not found: %v", bad)
	}
	if bad := unwalledTables(t, reopen()); bad != nil {
		t.Errorf("still without a policy: %v", bad)
	}
}

// Whom the wall does not bind may not come in.
func TestASuperuserIsRefused(t *testing.T) {
	dsn := strings.Replace(dbtest.Postgres(t), "user=haat", "user=postgres", 1)
	_, err := OpenPostgres(context.WithoutCancel(t.Context()), dsn, []*SchemaSet{rowSchema})
	if err == nil || !strings.Contains(err.Error(), "superuser") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a superuser: %v", err)
	}
}
