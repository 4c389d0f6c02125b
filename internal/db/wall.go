package db

import (
	"context"
	"errors"
	"strconv"
)

// The second wall. Every statement names the shop in its WHERE, which db has
// bound. On PostgreSQL that is not all there is: row-level security lets a
// transaction see, write and delete the rows of the one shop that it has
// entered, whatever its statements say, and nothing at all before it has
// entered one. Only Shard.Across leaves the wall, for reading, and is counted.
//
// The policies are made from the catalogue at the end of every migration, so
// that no table with a shop can be forgotten. The owner is bound by them too,
// which is why the role must be no superuser, whom nothing binds. A schema's
// own steps run before the wall is up again, all in one transaction.

// Who enters to write asks at the same time whether the shop is recorded, so
// that no row has to: see capture.go. CASE has it asked after the shop is
// entered, without which there is nothing to be seen.
const (
	enterShop  = `SELECT set_config('haat.shop', $1::bigint::text, true)`
	enterWrite = `SELECT CASE WHEN set_config('haat.shop', $1::bigint::text, true) IS NOT NULL
		THEN set_config('haat.record', EXISTS (SELECT 1 FROM shop_move WHERE shop = $1::bigint AND role = 'record')::text, true) END,
		set_config('haat.term', $2::bigint::text, true)`
	holdTerm   = `SELECT haat_hold() WHERE $1::bigint IS NOT NULL` // as the tick does
	leaveShops = `SELECT set_config('haat.across', 'on', true)`
)

// A setting is read for each row that an index has found. In a SELECT of its own
// it would be read once a statement; but that is a plan of its own to begin and
// to end, in each statement for each of its tables, and cost an order a tenth
// of the server's time.
const (
	lowerWall = `
DO $$
DECLARE t REGCLASS;
BEGIN
	FOR t IN SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relforcerowsecurity LOOP
		EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', t);
	END LOOP;
END $$`
	raiseWall = `
DO $$
DECLARE t REGCLASS;
BEGIN
	FOR t IN
		SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
			AND a.attname = 'shop' AND NOT a.attisdropped
			AND NOT (c.relrowsecurity AND c.relforcerowsecurity
				AND 2 = (SELECT COUNT(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname IN ('haat_shop', 'haat_across')
					AND pg_get_expr(p.polqual, p.polrelid) NOT LIKE '%SELECT%'))
	LOOP
		EXECUTE format('DROP POLICY IF EXISTS haat_shop ON %s', t);
		EXECUTE format('DROP POLICY IF EXISTS haat_across ON %s', t);
		EXECUTE format('CREATE POLICY haat_shop ON %s USING (shop = NULLIF(current_setting(''haat.shop'', true), '''')::bigint)', t);
		EXECUTE format('CREATE POLICY haat_across ON %s FOR SELECT USING (current_setting(''haat.across'', true) = ''on'')', t);
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
	END LOOP;
END $$`
)

// walled is a session on an engine with the second wall.
type walled interface {
	enter(shop int64)
	enterToWrite(shop int64)
	leave()
}

// enter lets a session see one shop's rows, on an engine that would show none.
func enter(s session, shop int64) {
	if w, ok := s.(walled); ok {
		w.enter(shop)
	}
}

// enterToWrite lets a session see and write one shop's rows.
func enterToWrite(s session, shop int64) {
	if w, ok := s.(walled); ok {
		w.enterToWrite(shop)
	}
}

// leave lets a session read every shop's rows.
func leave(s session) {
	if w, ok := s.(walled); ok {
		w.leave()
	}
}

func (s *pgSession) enter(shop int64) {
	s.ahead = append(s.ahead, ahead{text: enterShop, args: []any{shop}})
}

func (s *pgSession) enterToWrite(shop int64) { s.enterIn(shop, 0) }

// enterIn is as enterToWrite, for a transaction that writes if the shard's term
// is the one that the program knows.
func (s *pgSession) enterIn(shop, term int64) {
	s.ahead = append(s.ahead, ahead{text: enterWrite, args: []any{shop, term}})
}

func (s *pgSession) leave() { s.ahead = append(s.ahead, ahead{text: leaveShops}) }

var identity = newStmt(`
	SELECT c.system_identifier::text || '/' || d.oid::text
	FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()`)

// Identity names the database that a shard on PostgreSQL is, however its DSN
// names it: the same for a primary and its standbys. It is empty on SQLite.
func (s *Shard) Identity(ctx context.Context) (name string, err error) {
	if s.e.name() != "postgres" {
		return "", nil
	}
	err = s.e.read(ctx, func(raw session) (err error) {
		name, err = identify(ctx, raw)
		return err
	})
	return name, err
}

var boundRole = newStmt(`SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`)

// checkRole refuses a role that the second wall does not bind.
func (e *postgres) checkRole(ctx context.Context) error {
	return e.read(ctx, func(s session) error {
		return s.query(ctx, &boundRole, nil, func(scan func(...any) error) error {
			var name string
			var free bool
			if err := scan(&name, &free); err != nil {
				return err
			}
			if free {
				return errors.New("the role " + strconv.Quote(name) + " is a superuser or bypasses row-level security, which keeps shops apart: give haat a role of its own that owns the database")
			}
			return nil
		})
	})
}
