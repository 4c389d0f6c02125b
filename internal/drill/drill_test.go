package drill

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Who comes is not held up by those before, and each one's fate is told.
func TestArrivalsDoNotWaitForEachOther(t *testing.T) {
	let, broken := make(chan struct{}), errors.New("broken")
	var come atomic.Int64
	l := arrive(t.Context(), 500, func(ctx context.Context, n int) error {
		if come.Add(1) == 20 {
			close(let)
		}
		<-let
		if n%2 == 0 {
			return broken
		}
		return nil
	})
	<-let
	fates := l.end()
	if len(fates) < 20 || len(failed(fates)) != (len(fates)+1)/2 {
		t.Fatalf("%d came, %d failed", len(fates), len(failed(fates)))
	}
	for n, f := range fates {
		if f.n != n || (f.err != nil) != (n%2 == 0) {
			t.Errorf("%d: %+v", n, f)
		}
	}
	if first := fates[0]; first.took < fates[19].at.Sub(first.at) {
		t.Errorf("the first waited %v, and the twentieth came %v after it", first.took, fates[19].at.Sub(first.at))
	}
	if all := between(fates, fates[3].at, fates[7].at); len(all) != 4 {
		t.Errorf("between are %d", len(all))
	}
}

func TestLostAndDoubledAreCounted(t *testing.T) {
	name := func(n int) string { return string(rune('a' + n)) }
	fates := []fate{{n: 0}, {n: 1}, {n: 2, err: errors.New("no")}, {n: 3}}
	acknowledged, lost, doubled := compare(fates, name, map[string]int{"a": 1, "c": 1, "d": 3})
	if acknowledged != 3 || lost != 1 || doubled != 2 {
		t.Errorf("%d acknowledged, %d lost, %d doubled", acknowledged, lost, doubled)
	}
}

// Results of drills that did not run stay in the document.
func TestTheDocumentKeepsOtherRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.md")
	one := &Result{ID: "F-14", Injected: "kill -9 | all", Noticed: "1s, process-killed", Hurt: []string{"0 lost"}, At: time.Unix(1e9, 0)}
	two := &Result{ID: "F-14", Without: true, Injected: "the same", Noticed: "no", Hurt: []string{"5 lost"}, Short: []string{"5 lost"}}
	for _, r := range []*Result{one, two} {
		if err := write(path, []*Result{r}, "a machine"); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| F-14 | kill -9 \\| all | 1s, process-killed | 0 lost | held | 2001-09-09,", "| F-14 without | the same | no |  | **fell short**: 5 lost |", "- **F-14**, the one process"} {
		if strings.Count(string(b), want) != 1 {
			t.Errorf("no %q in\n%s", want, b)
		}
	}
}

func TestAMissingServerIsNamed(t *testing.T) {
	n := need{"the server", []string{"/nowhere/at-all"}, "no-such-package"}
	if n.installed() {
		t.Error("it is there")
	}
	if !(need{"sh", []string{"sh"}, "dash"}).installed() {
		t.Error("sh is not found")
	}
}

// What takes longer has rows of its own, and only drills that have it run so.
func TestTheLongerDrills(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.md")
	short, full := &Result{ID: "F-5", Hurt: []string{"brief"}}, &Result{ID: "F-5", Full: true, Hurt: []string{"long"}}
	for _, r := range []*Result{full, short} {
		if err := write(path, []*Result{r}, "a machine"); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, z := strings.Index(string(b), "| F-5 |  |  | brief |"), strings.Index(string(b), "| F-5 --full |  |  | long |")
	if a < 0 || z < a {
		t.Errorf("%d and %d in\n%s", a, z, b)
	}
	code, err := Run(t.Context(), Options{IDs: []string{"F-2"}, Full: true}, Host{}, io.Discard)
	if code != CouldNotRun || err == nil || !strings.Contains(err.Error(), "without --full") {
		t.Errorf("%d, %v", code, err)
	}
	var out strings.Builder
	if err := list(&out); err != nil || !strings.Contains(out.String(), "F-18 --full") {
		t.Errorf("%v %s", err, out.String())
	}
}
