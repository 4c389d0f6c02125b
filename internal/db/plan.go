package db

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// What SQLite's planner is told of the rows there are. Without, it believes
// that a shop has ten rows of a table, and then prefers to read all of a
// shop's rows in the order of the primary key to finding one by an index:
// importing a hundred thousand rows took an hour.
//
// It is told the same everywhere, so that a statement does on every shard what
// it did in the tests; ANALYZE is never run, as what it found would depend on
// when.
const (
	toldRows    = 10_000_000 // of a table
	toldPartial = 100_000    // of a partial index: few rows are what it is for
	toldShop    = 10_000     // of a large shop
	toldNext    = 100        // times fewer with each column more
)

// tellPlanner writes into sqlite_stat1 what there is to know of each index
// that begins with the shop. It runs in the migrations' transaction.
func tellPlanner(c *sqlite3.Conn) error {
	type index struct {
		name            string
		unique, partial bool
		columns         []string
	}
	tables := map[string]map[string]*index{}
	err := rows(c, `
		SELECT m.name, i.name, i."unique", i.partial, x.name,
			i.origin = 'pk' AND (SELECT wr FROM pragma_table_list l WHERE l.schema = 'main' AND l.name = m.name)
		FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_info(i.name) x
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, i.name, x.seqno`,
		func(s *sqlite3.Stmt) {
			table, name := s.ColumnText(0), s.ColumnText(1)
			if tables[table] == nil {
				tables[table] = map[string]*index{}
			}
			i := tables[table][name]
			if i == nil {
				i = &index{name: name, unique: s.ColumnBool(2), partial: s.ColumnBool(3)}
				if s.ColumnBool(5) { // the table is this index, and goes by its own name
					i.name = table
				}
				tables[table][name] = i
			}
			i.columns = append(i.columns, s.ColumnText(4))
		})
	if err != nil {
		return fmt.Errorf("look at the indexes: %w", err)
	}
	want := map[[2]string]string{}
	for table, all := range tables {
		for _, i := range all {
			if i.columns[0] != "shop" {
				continue
			}
			total, each := toldRows, toldShop
			if i.partial {
				total, each = toldPartial, toldShop/toldNext
			}
			told := []string{strconv.Itoa(total)}
			for k := range i.columns {
				if k > 0 {
					each = max(each/toldNext, 2)
				}
				if i.unique && k == len(i.columns)-1 {
					each = 1
				}
				told = append(told, strconv.Itoa(each))
			}
			want[[2]string{table, i.name}] = strings.Join(told, " ")
		}
	}
	// Makes the table if it is not there.
	if err := c.Exec("ANALYZE sqlite_schema"); err != nil {
		return err
	}
	have := map[[2]string]string{}
	if err := rows(c, `SELECT tbl, idx, stat FROM sqlite_stat1`, func(s *sqlite3.Stmt) {
		have[[2]string{s.ColumnText(0), s.ColumnText(1)}] = s.ColumnText(2)
	}); err != nil || maps.Equal(have, want) {
		return err
	}
	if err := c.Exec("DELETE FROM sqlite_stat1"); err != nil {
		return err
	}
	s, _, err := c.Prepare("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	for k, stat := range want {
		err := errors.Join(s.BindText(1, k[0]), s.BindText(2, k[1]), s.BindText(3, stat))
		if err == nil {
			err = s.Exec()
		}
		if err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return errors.Join(s.Close(), c.Exec("ANALYZE sqlite_schema")) // reads them
}
