package db

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ncruces/go-sqlite3"
)

var planned = Schema("planned", fstest.MapFS{"schema/0001_planned.sql": {Data: []byte(`
-- narrow
CREATE TABLE planned_word (
	shop BIGINT NOT NULL, word TEXT NOT NULL, thing BYTEA NOT NULL, weight BIGINT NOT NULL,
	PRIMARY KEY (shop, word, thing)
);
CREATE INDEX planned_word_thing ON planned_word (shop, thing);
CREATE TABLE planned_order (
	shop BIGINT NOT NULL, id BIGINT NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL,
	PRIMARY KEY (shop, id)
);
CREATE INDEX planned_order_status ON planned_order (shop, status, id);
CREATE INDEX planned_order_open ON planned_order (shop, id) WHERE status IN ('placed', 'accepted');
`)}})

func plan(t *testing.T, c *sqlite3.Conn, q string) string {
	t.Helper()
	var out []string
	if err := rows(c, "EXPLAIN QUERY PLAN "+q, func(s *sqlite3.Stmt) { out = append(out, s.ColumnText(3)) }); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "; ")
}

// A row is found by its index although it could be found among all of the
// shop's, on the writer and on readers, at the first opening and later ones.
// Without what the planner is told it is not.
func TestPlannerKnowsThatShopsAreLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "planned.db")
	const forget = "DELETE FROM planned_word WHERE shop = ?1 AND thing = ?2"
	for range 2 {
		s, err := OpenSQLite(t.Context(), path, SQLiteOptions{Readers: 1}, []*SchemaSet{planned})
		if err != nil {
			t.Fatal(err)
		}
		e := s.e.(*sqlite)
		look := func(c *sqliteConn) error {
			for q, by := range map[string]string{
				forget: "planned_word_thing (shop=? AND thing=?)",
				"SELECT body FROM planned_order WHERE shop = ?1 AND id < ?2 AND status IN ('placed', 'accepted') ORDER BY id DESC LIMIT 20": "planned_order_open (shop=? AND id<?)",
			} {
				if got := plan(t, c.c, q); !strings.Contains(got, by) {
					t.Errorf("%s\nis done by %s", q, got)
				}
			}
			return nil
		}
		if err := e.submit(t.Context(), &job{raw: look}); err != nil {
			t.Fatal(err)
		}
		if err := e.read(t.Context(), func(r session) error { return look(r.(*sqliteConn)) }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec("DELETE FROM sqlite_stat1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err = sqlite3.Open(path); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := plan(t, c, forget); strings.Contains(got, "thing=?") {
		t.Errorf("knowing nothing, the planner does the same: %s", got)
	}
}
