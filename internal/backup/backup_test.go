package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		child(what)
	}
	fleettest.Main(m)
}

var noteSchema = db.Schema("note", fstest.MapFS{"schema/0001_note.sql": {Data: []byte(`
CREATE TABLE note (
	shop BIGINT NOT NULL,
	id   BIGINT NOT NULL,
	text TEXT   NOT NULL,
	PRIMARY KEY (shop, id)
);`)}})

var (
	putNote   = db.Q(`INSERT INTO note (shop, id, text) VALUES ($1, $2, $3)`)
	readNotes = db.Q(`SELECT id FROM note WHERE shop = $1 ORDER BY id`)
)

var schemas = []*db.SchemaSet{noteSchema}

func known(t *testing.T) map[string]int64 {
	t.Helper()
	k, err := db.Newest([]*db.SchemaSet{noteSchema, fleet.Schema})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// platform is a data folder that is being served.
type platform struct {
	*fleet.Fleet
	data string
}

func open(t *testing.T, data string) *platform {
	t.Helper()
	for name, text := range map[string]string{"secret.key": "secret", "imports/one.csv": "Handle\n"} {
		write(t, filepath.Join(data, name), text)
	}
	return &platform{fleettest.OpenFleet(t, filepath.Join(data, "shards"), filepath.Join(data, "control.db"), "", schemas, nil), data}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *platform) source(t *testing.T) Source {
	t.Helper()
	s := Source{
		Dir: p.data, Control: p.Control(), Shards: map[string]db.Database{}, Version: "test",
		Quiet: func(ctx context.Context, fn func() error) error {
			return p.Control().Change(ctx, func(*db.ControlTx) error { return fn() })
		},
		Keep: func(_ context.Context, fn func() error) error { return fn() },
	}
	var err error
	if s.Files, err = fleet.ShardFiles(t.Context(), p.Control()); err != nil {
		t.Fatal(err)
	}
	for name := range s.Files {
		s.Shards[name] = p.Shard(name)
	}
	return s
}

func silent(Progress) {}

func note(ctx context.Context, room *fleet.Room, n int64) (db.Mark, error) {
	return room.Change(ctx, func(tx *db.Tx) error {
		tx.Append(db.Outgoing{Topic: "note", Key: "k", Payload: []byte("{}")})
		_, err := tx.Exec(ctx, putNote, n, strings.Repeat("x", 200))
		return err
	})
}

func notes(t *testing.T, room *fleet.Room) (ids []int64, mark db.Mark) {
	t.Helper()
	err := room.View(t.Context(), fleet.Newest, func(r db.Reader) (err error) {
		mark = r.Mark()
		ids, err = db.All(t.Context(), r, readNotes, func(n *int64) []any { return []any{n} })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, mark
}

// Writers, sign-ups and renames go on while a backup is made. What had been
// acknowledged before it began is in it; every shop that its directory names
// opens; and nothing in it is half.
func TestABackupOfABusyPlatform(t *testing.T) {
	ctx := t.Context()
	p := open(t, filepath.Join(t.TempDir(), "data"))
	const shops = 20
	rooms := make([]*fleet.Room, shops)
	for i := range rooms {
		rooms[i] = fleettest.NewShop(t, p.Fleet, fmt.Sprintf("shop-%d", i))
		write(t, filepath.Join(p.data, "media", rooms[i].Shop().String(), "aa", "aa.webp"), strings.Repeat(fmt.Sprint(i), 5000))
	}
	var acked [shops]atomic.Int64
	var signed sync.Map // slug of every acknowledged sign-up
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	busy := func(fn func(k int64) error) {
		wg.Go(func() {
			for k := int64(1); ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(k); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var total, made atomic.Int64
	for i, room := range rooms {
		busy(func(k int64) error {
			_, err := note(ctx, room, k)
			acked[i].Store(k)
			total.Add(1)
			return err
		})
	}
	for w := range 4 {
		busy(func(k int64) error {
			slug := fmt.Sprintf("new-%d-%d", w, k)
			_, err := p.Create(ctx, id.NewShop(), slug, slug, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, putNote, 1, slug)
				return err
			}, func(*db.ControlTx) error { return nil })
			signed.Store(slug, true)
			made.Add(1)
			return err
		})
	}
	for total.Load() < 2000 || made.Load() < 100 {
		if t.Failed() {
			return
		}
	}
	for round := range 3 {
		var before [shops]int64
		for i := range before {
			before[i] = acked[i].Load()
		}
		var there []string
		signed.Range(func(k, _ any) bool { there = append(there, k.(string)); return true })
		dir := filepath.Join(t.TempDir(), "backup")
		m, err := Take(ctx, p.source(t), dir, silent)
		if err != nil {
			t.Fatal(err)
		}
		data := filepath.Join(t.TempDir(), "restored")
		if _, err := Restore(ctx, dir, data, known(t), silent); err != nil {
			t.Fatal(err)
		}
		q := open(t, data)
		lost := 0
		for i, r := range rooms {
			room, err := q.ByID(ctx, r.Shop())
			if err != nil {
				t.Fatal(err)
			}
			ids, mark := notes(t, room)
			if n := int64(len(ids)); n < before[i] || ids[n-1] != n || mark.N != n+1 {
				lost++
			}
		}
		for _, slug := range there {
			room, err := q.BySlug(ctx, slug)
			if err != nil {
				t.Fatalf("an acknowledged sign-up is lost: %s: %v", slug, err)
			}
			if ids, _ := notes(t, room); len(ids) != 1 {
				t.Errorf("%s is half there", slug)
			}
		}
		n, err := q.Count(ctx)
		if err != nil || n != m.Shops || lost > 0 {
			t.Errorf("%d shops of %d, %d with lost or torn rows, %v", n, m.Shops, lost, err)
		}
		t.Logf("round %d: %d shops, %d orphans, %d files, %d KiB", round, m.Shops, m.Orphans, m.Files, m.Bytes>>10)
		if erased, err := q.SweepOrphans(ctx, -time.Hour); err != nil || int64(erased) != m.Orphans {
			t.Errorf("swept %d orphans of %d, %v", erased, m.Orphans, err)
		}
	}
}

// between runs something between the snapshot of the directory and those of
// the shards.
type between struct {
	db.Database
	fn func()
}

func (b between) Snapshot(ctx context.Context) (*db.Snapshot, error) {
	s, err := b.Database.Snapshot(ctx)
	b.fn()
	return s, err
}

// A task writes the directory and then notes in the shard that it has. A
// backup must not have the note without the directory's row, however it falls
// between them. Without the quiet moment it does.
func TestTheInstantIsOne(t *testing.T) {
	for _, quiet := range []bool{true, false} {
		t.Run(fmt.Sprintf("quiet=%t", quiet), func(t *testing.T) {
			ctx := t.Context()
			p := open(t, filepath.Join(t.TempDir(), "data"))
			room := fleettest.NewShop(t, p.Fleet, "shop")
			src := p.source(t)
			src.Control = between{src.Control, func() {
				short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
				if p.Rename(short, room.Shop(), "renamed") == nil {
					if _, err := note(ctx, room, 1); err != nil {
						t.Error(err)
					}
				}
			}}
			if !quiet {
				src.Quiet = src.Keep
			}
			dir, data := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
			if _, err := Take(ctx, src, dir, silent); err != nil {
				t.Fatal(err)
			}
			if _, err := Restore(ctx, dir, data, known(t), silent); err != nil {
				t.Fatal(err)
			}
			restored, err := open(t, data).ByID(ctx, room.Shop())
			if err != nil {
				t.Fatal(err)
			}
			ids, _ := notes(t, restored)
			if torn := len(ids) == 1 && restored.Name() != "renamed"; torn == quiet {
				t.Errorf("%d notes, the name is %q", len(ids), restored.Name())
			}
		})
	}
}

// One changed byte anywhere in a backup, and it is refused by the name of the
// file.
func TestADamagedBackupIsRefused(t *testing.T) {
	ctx := t.Context()
	p := open(t, filepath.Join(t.TempDir(), "data"))
	room := fleettest.NewShop(t, p.Fleet, "shop")
	if _, err := note(ctx, room, 1); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.data, "media", "0shop", "aa", "aa-320.webp"), "picture")
	write(t, filepath.Join(p.data, "media", ".drafts", "x"), "draft")
	dir := filepath.Join(t.TempDir(), "backup")
	m, err := Take(ctx, p.source(t), dir, silent)
	if err != nil {
		t.Fatal(err)
	}
	if m.Files != 6 { // control, two shards, key, upload, picture
		t.Errorf("%d files", m.Files)
	}
	set := filepath.Join("sets", m.Set)
	for _, name := range []string{
		"backup.json", set + "/files.sha256", set + "/control.db", set + "/shards/s1.db", set + "/shards/s2.db",
		set + "/secret.key", set + "/imports/one.csv", "media/0shop/aa/aa-320.webp",
	} {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := []byte(string(good))
		bad[len(bad)/2] ^= 0x40
		for what, content := range map[string][]byte{"changed": bad, "cut": good[:len(good)-1], "missing": nil} {
			if content == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if what == "cut" && name == "backup.json" {
				continue // only its last line break
			}
			data := filepath.Join(t.TempDir(), "restored")
			_, err = Restore(ctx, dir, data, known(t), silent)
			if err == nil || !strings.Contains(err.Error(), filepath.Base(name)) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			if _, err := os.Stat(filepath.Join(data, "control.db")); err == nil && Unfinished(data) == nil {
				t.Errorf("%s, %s: what was restored so far can be served", name, what)
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Restore(ctx, dir, filepath.Join(t.TempDir(), "restored"), known(t), silent); err != nil {
		t.Errorf("whole again: %v", err)
	}
}

func TestWhereABackupMayGo(t *testing.T) {
	ctx := t.Context()
	p := open(t, filepath.Join(t.TempDir(), "data"))
	fleettest.NewShop(t, p.Fleet, "shop")
	src := p.source(t)
	other := t.TempDir()
	write(t, filepath.Join(other, "letters.txt"), "mine")
	for dir, want := range map[string]string{
		other: "something else", p.data: "data folder", filepath.Join(p.data, "backup"): "data folder", filepath.Dir(p.data): "data folder",
	} {
		if _, err := Take(ctx, src, dir, silent); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a backup into %s: %v", dir, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(other, "letters.txt")); err != nil || string(b) != "mine" {
		t.Errorf("the letters: %q, %v", b, err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := Restore(ctx, dir, t.TempDir(), known(t), silent); err == nil {
		t.Error("restored from nothing")
	}
	if _, err := Take(ctx, src, dir, silent); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(ctx, dir, other, known(t), silent); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restored over something: %v", err)
	}
	if _, err := Restore(ctx, dir, filepath.Join(t.TempDir(), "x"), map[string]int64{"db": 1}, silent); err == nil || !strings.Contains(err.Error(), "knows only") {
		t.Errorf("restored a newer schema: %v", err)
	}
	src.Reserve = 1 << 60
	if _, err := Take(ctx, src, filepath.Join(t.TempDir(), "full"), silent); err == nil || !strings.Contains(err.Error(), "need them more") {
		t.Errorf("a backup for which there is no room: %v", err)
	}
}

// A second backup into the same folder copies only new pictures, forgets those
// that are gone, and mends one that has gone bad there.
func TestAnotherBackupIntoTheSameFolder(t *testing.T) {
	ctx := t.Context()
	p := open(t, filepath.Join(t.TempDir(), "data"))
	room := fleettest.NewShop(t, p.Fleet, "shop")
	media := filepath.Join(p.data, "media")
	for _, name := range []string{"s1/aa/aa-1.webp", "s1/aa/aa.json", "s1/ab/ab.json", "s1-2/aa/x.json"} {
		write(t, filepath.Join(media, name), name)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := Take(ctx, p.source(t), dir, silent); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "media", "s1/aa/aa-1.webp")
	before, err := os.Stat(kept)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note(ctx, room, 1); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(media, "s1/ac/new.json"), "new")
	write(t, filepath.Join(dir, "media", "s1/aa/aa.json"), "s1/aa/aa.jsom") // gone bad
	if err := os.Remove(filepath.Join(media, "s1/ab/ab.json")); err != nil {
		t.Fatal(err)
	}
	m, err := Take(ctx, p.source(t), dir, silent)
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(kept); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Error("a picture that was there was copied again")
	}
	if _, err := os.Stat(filepath.Join(dir, "media", "s1/ab/ab.json")); err == nil {
		t.Error("a picture that is gone is still in the backup")
	}
	if sets, err := os.ReadDir(filepath.Join(dir, "sets")); err != nil || len(sets) != 1 {
		t.Errorf("%d sets, %v", len(sets), err)
	}
	data := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(ctx, dir, data, known(t), silent); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s1/aa/aa-1.webp", "s1/aa/aa.json", "s1-2/aa/x.json"} {
		if b, err := os.ReadFile(filepath.Join(data, "media", name)); err != nil || string(b) != name {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	restored, err := open(t, data).ByID(ctx, room.Shop())
	if err != nil {
		t.Fatal(err)
	}
	ids, mark := notes(t, restored)
	_, live := notes(t, room)
	if len(ids) != 1 || mark.Compare(live) <= 0 {
		t.Errorf("%d notes at %v; live at %v of %s", len(ids), mark, live, m.Set)
	}
}

// What was lost by going back is not called damage: a mark that was given out
// after the backup is older than any of the restored shop.
func TestAMarkFromBeforeTheRestoreIsNoAlarm(t *testing.T) {
	ctx := t.Context()
	p := open(t, filepath.Join(t.TempDir(), "data"))
	room := fleettest.NewShop(t, p.Fleet, "shop")
	dir, data := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	if _, err := Take(ctx, p.source(t), dir, silent); err != nil {
		t.Fatal(err)
	}
	later, err := note(ctx, room, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(ctx, dir, data, known(t), silent); err != nil {
		t.Fatal(err)
	}
	restored, err := open(t, data).ByID(ctx, room.Shop())
	if err != nil {
		t.Fatal(err)
	}
	err = restored.View(ctx, fleet.After(later), func(r db.Reader) error {
		if r.Mark().Compare(later) <= 0 {
			return errors.New("the restored shop stands behind a mark of its lost life")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A folder that nobody serves is backed up as it lies, the log of a killed
// process included.
func TestAStoppedFolder(t *testing.T) {
	ctx := t.Context()
	data := filepath.Join(t.TempDir(), "data")
	var shop id.Shop
	t.Run("serve", func(t *testing.T) {
		room := fleettest.NewShop(t, open(t, data).Fleet, "shop")
		shop = room.Shop()
		if _, err := note(t.Context(), room, 1); err != nil {
			t.Fatal(err)
		}
	})
	src, end, err := Folder(ctx, data, "test")
	if err != nil {
		t.Fatal(err)
	}
	dir, restored := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	m, err := Take(ctx, src, dir, silent)
	if err := errors.Join(err, end()); err != nil || m.Shops != 1 {
		t.Fatalf("%d shops, %v", m.Shops, err)
	}
	if _, err := Restore(ctx, dir, restored, known(t), silent); err != nil {
		t.Fatal(err)
	}
	room, err := open(t, restored).ByID(ctx, shop)
	if err != nil {
		t.Fatal(err)
	}
	if ids, _ := notes(t, room); len(ids) != 1 {
		t.Errorf("%d notes", len(ids))
	}
}

func TestBeforeIsTheOrderOfAWalk(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/b", "a/b.c", "a.b/c", "a-b/c", "a/b-/d", "ab/c", "b", "a/bb/c"} {
		write(t, filepath.Join(dir, name), "x")
	}
	last := ""
	if err := walk(dir, func(rel string, _ os.FileInfo) error {
		if last != "" && !before(last, rel) || before(rel, last) {
			t.Errorf("%q does not come before %q", last, rel)
		}
		last = rel
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
