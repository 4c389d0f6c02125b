package media_test

import (
	"testing"

	"haat/internal/media"
	"haat/internal/media/mediatest"
)

func TestADiskIsAStore(t *testing.T) {
	mediatest.Conform(t, func(t *testing.T) (media.Store, func(t *testing.T) media.Store) {
		dir := t.TempDir()
		again := func(t *testing.T) media.Store {
			d, err := media.OpenDisk(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return d
		}
		return again(t), again
	})
}
