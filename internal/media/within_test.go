package media

import (
	"errors"
	"testing"

	"haat/internal/fault"
	"haat/internal/id"
)

// A picture that would take more memory than there is to decode is refused,
// and others are not; so is any while there is no room for more.
func TestTheLibraryKeepsWithinItsMemory(t *testing.T) {
	d, err := OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l := NewLibrary(d, 2)
	l.Within(4 << 20)
	shop := id.NewShop()
	_, err = l.Add(t.Context(), shop, jpegOf(t, quarters(2000, 1500)))
	if !fault.Is(err, fault.KindTooLarge) || fault.Of(err).Code != "image-pixels" {
		t.Errorf("a large picture: %v", err)
	}
	if _, err := l.Add(t.Context(), shop, jpegOf(t, quarters(400, 300))); err != nil {
		t.Errorf("a small one: %v", err)
	}
	full := errors.New("no room")
	l.While(func() error { return full })
	if _, err := l.Add(t.Context(), shop, jpegOf(t, quarters(402, 300))); !errors.Is(err, full) {
		t.Errorf("without room: %v", err)
	}
}
