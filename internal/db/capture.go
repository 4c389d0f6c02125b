package db

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	sqlite3 "github.com/ncruces/go-sqlite3"
)

// What was written to a shop that is on its way. Triggers note table and key of
// every row in shop_change, in the transaction that writes it, while shop_move
// says 'record' of the shop. Whether it does is asked for each row on SQLite,
// which costs a probe of a table that is almost empty, and on PostgreSQL once,
// when a change enters the shop (see wall.go): there a call for each row would
// take a sixth of the server's time. They are made from the catalogue at the end of every migration, for
// every table with a shop, so that none can be forgotten. Triggers run after
// the row was written: see [Haul.Settle].

// unrecorded are the tables whose rows do not travel: the clock is set by the
// mover, and the others are about the move.
var unrecorded = map[string]bool{"shop_clock": true, "shop_move": true, "shop_change": true}

const captureOnPostgres = `
DO $$
DECLARE t RECORD;
BEGIN
	FOR t IN
		SELECT c.oid::regclass AS name, c.relname, (
			SELECT COALESCE(string_agg(CASE a.atttypid::regtype::text
				WHEN 'text' THEN format('encode(convert_to(x.%I, ''UTF8''), ''hex'')', a.attname)
				WHEN 'bytea' THEN format('encode(x.%I, ''hex'')', a.attname)
				WHEN 'boolean' THEN format('(x.%I)::int::text', a.attname)
				ELSE format('(x.%I)::text', a.attname) END, ' || ''.'' || ' ORDER BY k.at), '''''')
			FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(col, at)
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.col
			WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname <> 'shop') AS key
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
			AND a.attname = 'shop' AND NOT a.attisdropped
			AND c.relname NOT IN ('shop_clock', 'shop_move', 'shop_change')
	LOOP
		EXECUTE format('CREATE OR REPLACE FUNCTION %I() RETURNS TRIGGER LANGUAGE plpgsql AS $f$
DECLARE
	was TEXT; is_ TEXT;
BEGIN
	IF TG_OP = ''INSERT'' THEN
		IF NOT EXISTS (SELECT 1 FROM shop_move WHERE shop = NEW.shop AND role = ''record'') THEN RETURN NULL; END IF;
	ELSIF NOT EXISTS (SELECT 1 FROM shop_move WHERE shop = OLD.shop AND role = ''record'') THEN
		RETURN NULL;
	END IF;
	IF TG_OP <> ''INSERT'' THEN
		was := %s;
		INSERT INTO shop_change (shop, i, tbl, pk) VALUES (OLD.shop, nextval(''shop_change_i''), TG_TABLE_NAME, was);
	END IF;
	IF TG_OP <> ''DELETE'' THEN
		is_ := %s;
		IF was IS DISTINCT FROM is_ THEN
			INSERT INTO shop_change (shop, i, tbl, pk) VALUES (NEW.shop, nextval(''shop_change_i''), TG_TABLE_NAME, is_);
		END IF;
	END IF;
	RETURN NULL;
END $f$', 'haat_note_' || t.relname, replace(t.key, 'x.', 'OLD.'), replace(t.key, 'x.', 'NEW.'));
		IF NOT EXISTS (SELECT 1 FROM pg_trigger g WHERE tgrelid = t.name AND tgname = 'haat_note' AND pg_get_triggerdef(g.oid) LIKE '%haat.record%') THEN
			EXECUTE format('CREATE OR REPLACE TRIGGER haat_note AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW
				WHEN (current_setting(''haat.record'', true) IS DISTINCT FROM ''false'') EXECUTE FUNCTION %I()', t.name, 'haat_note_' || t.relname);
		END IF;
	END LOOP;
END $$`

func capture(s session, script func(string) error) error {
	if c, ok := s.(*sqliteConn); ok {
		return captureOnSQLite(c.c)
	}
	return script(captureOnPostgres)
}

// captureOnSQLite makes the triggers that are not there as they should be.
func captureOnSQLite(c *sqlite3.Conn) error {
	all, err := describeSQLite(c)
	if err != nil {
		return err
	}
	want := map[string]string{}
	for _, t := range all.tables {
		if unrecorded[t.Name] {
			continue
		}
		note := func(row string) string {
			key := []string{}
			for _, k := range t.key {
				column := row + `."` + t.columns[k].name + `"`
				if kind := t.columns[k].kind; kind == "TEXT" || kind == "BYTEA" {
					column = "lower(hex(" + column + "))"
				}
				key = append(key, column)
			}
			if len(key) == 0 {
				key = []string{"''"}
			}
			return `INSERT INTO shop_change (shop, i, tbl, pk) SELECT ` + row + `.shop, COALESCE((SELECT MAX(i) FROM shop_change WHERE shop = ` + row + `.shop), 0) + 1, '` + t.Name + `', ` + strings.Join(key, " || '.' || ")
		}
		changed := ""
		for _, k := range t.key {
			changed += ` OR OLD."` + t.columns[k].name + `" IS NOT NEW."` + t.columns[k].name + `"`
		}
		begin := func(op, row string) string {
			name := "haat_note_" + t.Name + "_" + strings.ToLower(op)
			return `CREATE TRIGGER ` + name + ` AFTER ` + op + ` ON "` + t.Name + `" WHEN EXISTS (SELECT 1 FROM shop_move WHERE shop = ` + row + `.shop AND role = 'record') BEGIN `
		}
		want["haat_note_"+t.Name+"_insert"] = begin("INSERT", "NEW") + note("NEW") + "; END"
		want["haat_note_"+t.Name+"_delete"] = begin("DELETE", "OLD") + note("OLD") + "; END"
		update := begin("UPDATE", "OLD") + note("OLD") + "; "
		if changed != "" {
			update += note("NEW") + " WHERE " + changed[4:] + "; "
		}
		want["haat_note_"+t.Name+"_update"] = update + "END"
	}
	have := map[string]string{}
	err = rows(c, `SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'haat_note_%'`, func(s *sqlite3.Stmt) {
		have[s.ColumnText(0)] = s.ColumnText(1)
	})
	if err != nil || maps.Equal(have, want) {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if have[name] != want[name] {
			if err := c.Exec("DROP TRIGGER " + name); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] != want[name] {
			if err := c.Exec(want[name]); err != nil {
				return fmt.Errorf("trigger %s: %w", name, err)
			}
		}
	}
	return nil
}

// haulTable is a table with a shop, as the catalogue says it.
type haulTable struct {
	Name    string
	columns []haulColumn
	key     []int // of columns: the primary key without the shop
}

type haulColumn struct{ name, kind string } // kind is BIGINT, TEXT, BYTEA or BOOLEAN

const describeOnSQLite = `
	SELECT m.name, c.name, c.type, c.pk
	FROM sqlite_schema m, pragma_table_xinfo(m.name) c
	WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND c.hidden = 0
		AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) s WHERE s.name = 'shop')
	ORDER BY m.name, c.name`

func describeSQLite(c *sqlite3.Conn) (all describing, err error) {
	err = rows(c, describeOnSQLite, func(s *sqlite3.Stmt) {
		all.add(s.ColumnText(0), s.ColumnText(1), s.ColumnText(2), s.ColumnInt64(3))
	})
	return all, err
}

// describing gathers tables from rows of the catalogue, in order.
type describing struct {
	tables []haulTable
	wrong  []string // what keeps a shop from being moved
}

// add takes a column; pk is its place in the primary key, from 1, or 0.
func (d *describing) add(table, column, kind string, pk int64) {
	if len(d.tables) == 0 || d.tables[len(d.tables)-1].Name != table {
		d.tables = append(d.tables, haulTable{Name: table})
	}
	t := &d.tables[len(d.tables)-1]
	if kind = strings.ToUpper(kind); !slices.Contains([]string{"BIGINT", "TEXT", "BYTEA", "BOOLEAN"}, kind) {
		d.wrong = append(d.wrong, fmt.Sprintf("%s.%s is of type %s", table, column, kind))
	}
	if column == "shop" {
		if pk != 1 {
			d.wrong = append(d.wrong, fmt.Sprintf("the key of %s does not begin with the shop", table))
		}
		return
	}
	t.columns = append(t.columns, haulColumn{column, kind})
	if pk > 0 {
		for int64(len(t.key)) < pk-1 {
			t.key = append(t.key, 0)
		}
		t.key[max(pk-2, 0)] = len(t.columns) - 1
	}
}
