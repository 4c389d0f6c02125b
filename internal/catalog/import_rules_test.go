package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
)

// A file goes only when it is certain that no row names it.
func TestDropKeepsWhatARowMayName(t *testing.T) {
	lost := errors.New("the connection was lost")
	for _, c := range []struct {
		what  string
		ours  bool
		err   error
		stays bool
	}{
		{"begun", true, nil, true},
		{"begun by another request", false, nil, false},
		{"refused", false, fault.Conflict("idempotency-key-reused", "No."), false},
		{"lost on the way back", true, lost, true},
		{"lost on the way there", false, lost, true},
		{"busy", false, fmt.Errorf("change: %w", fault.Busy(time.Second, "Moving.")), true},
		{"given up", false, context.Canceled, true},
	} {
		m, err := NewImporter(ImporterConfig{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		u, err := m.Keep(strings.NewReader("Handle,Title\nmug,Mug\n"))
		if err != nil {
			t.Fatal(err)
		}
		u.named = mayName(c.ours, c.err)
		u.Drop()
		list, err := os.ReadDir(m.Dir)
		if stays := len(list) == 1; err != nil || stays != c.stays {
			t.Errorf("%s: stays %t, %v", c.what, stays, err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatFailsAnImport(t *testing.T) {
	busy, ours := fmt.Errorf("import: %w", fault.Busy(time.Second, "Moving.")), errors.New("the disk is full")
	for _, c := range []struct {
		what    string
		err     error
		further bool
		failed  int
		lasts   bool
	}{
		{"busy", busy, false, 0, false},
		{"busy for long", busy, false, 1000, false},
		{"the file", fmt.Errorf("open: %w", fault.NotFound("The file is gone.")), true, 0, true},
		{"ours, at first", ours, false, 0, false},
		{"ours, in between progress", ours, true, 1000, false},
		{"ours, again and again", ours, false, giveUpAfter - 1, true},
	} {
		if why := lasting(c.err, c.further, c.failed); (why != "") != c.lasts {
			t.Errorf("%s: %q", c.what, why)
		}
	}
}

// The shop with the fewest pieces under way is served next, none beyond its
// share, and none before its rest is over.
func TestWhoIsServedNext(t *testing.T) {
	now := time.Now()
	d := newDesk("", 4, 2, nil, nil)
	a, b, c := id.Shop(1), id.Shop(2), id.Shop(3)
	waiting := map[id.Shop]int64{a: 100, b: 1, c: 50}
	d.rests[c] = rest{until: now.Add(time.Second)}
	var order []id.Shop
	for s, ok := d.next(waiting, now); ok; s, ok = d.next(waiting, now) {
		waiting[s]--
		d.busy[s]++
		d.taken++
		order = append(order, s)
	}
	if len(order) != 3 || order[2] != a || order[0] == order[1] || d.busy[a] != 2 {
		t.Errorf("%v", order)
	}
	if s, ok := d.next(waiting, now.Add(time.Second)); !ok || s != c {
		t.Errorf("after its rest: %v, %t", s, ok)
	}
	d.taken = 4
	if s, ok := d.next(waiting, now.Add(time.Second)); ok {
		t.Errorf("beyond the slots: %v", s)
	}
}

func TestPauses(t *testing.T) {
	for attempt, want := range map[int]time.Duration{1: 10 * time.Second, 2: time.Minute, 3: 6 * time.Minute, 4: 36 * time.Minute} {
		for range 100 {
			if got := imagePause(attempt); got < want*2/3 || got > want*4/3 {
				t.Errorf("image %d: %v", attempt, got)
			}
		}
	}
	for attempt, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 100: time.Minute} {
		if got := shopPause(attempt); got != want {
			t.Errorf("shop %d: %v", attempt, got)
		}
	}
}
