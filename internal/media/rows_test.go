package media

import (
	"fmt"
	"testing"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

func TestSavedPicturesAreFoundAgain(t *testing.T) {
	fleettest.Each(t, []*db.SchemaSet{Schema}, func(t *testing.T, room *fleet.Room) {
		var all []Image
		var hashes []string
		for i := range 2*batch + 3 {
			m := Image{Hash: Hash(fmt.Append(nil, i)), Width: 800 + i, Height: 600, Placeholder: "#e8ddd0", Bytes: 1000 + i}
			all, hashes = append(all, m), append(hashes, m.Hash)
		}
		for range 2 { // saving again changes nothing
			if _, err := room.Change(t.Context(), func(tx *db.Tx) error {
				for _, m := range all {
					if err := Save(t.Context(), tx, m); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
			got, err := Get(t.Context(), r, append(hashes, Hash([]byte("no such")))...)
			if err != nil {
				return err
			}
			if len(got) != len(all) {
				t.Errorf("%d found of %d", len(got), len(all))
			}
			for _, m := range all {
				if got[m.Hash] != m {
					t.Errorf("%+v came back as %+v", m, got[m.Hash])
				}
			}
			none, err := Get(t.Context(), r)
			if len(none) != 0 {
				t.Errorf("nothing asked, %v given", none)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}
