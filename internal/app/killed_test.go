package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"haat/internal/fault"
	"haat/internal/op"
	"haat/internal/shop"
)

// childEnv is, in a child of TestASignUpKilled, the data folder and the first
// number of the shops to open.
const childEnv = "APP_TEST_SIGN_UP"

// signUpUntilKilled is the child: it opens shops, each under a key of its own,
// and prints each as soon as it was acknowledged.
func signUpUntilKilled() {
	dir, from, ok := strings.Cut(os.Getenv(childEnv), "\n")
	if !ok {
		return
	}
	if err := signUpAll(context.Background(), dir, from); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func signUpAll(ctx context.Context, dir, round string) error {
	var cfg Config
	if err := Defaults(&cfg); err != nil {
		return err
	}
	cfg.Data, cfg.Shards = dir, 2
	a, err := Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	who, err := shop.ParseContact("+919876543210", "", "IN")
	if err != nil {
		return err
	}
	account, err := a.accounts.Ensure(ctx, who)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				in := shop.Opening{}
				in.Body.Name = fmt.Sprintf("Shop %s %d %d", round, worker, i)
				out, err := a.accounts.OpenShop.Do(ctx, op.Caller{Account: account, Key: in.Body.Name}, in)
				if err != nil {
					failed <- err
					return
				}
				fmt.Printf("%s\t%s\n", out.Slug, in.Body.Name) // one write, so that no line is torn
			}
		}()
	}
	return <-failed
}

// TestASignUpKilled kills a process that opens shops, again and again and with
// no warning. Every shop that was acknowledged is there and sells, a sign-up
// that died goes on under its key and opens one shop, and what is left on the
// shards is swept.
func TestASignUpKilled(t *testing.T) {
	dir := t.TempDir()
	acknowledged, orphans := map[string]string{}, 0
	for round := range 4 {
		killed := killSignUps(t, dir, fmt.Sprint(round), 6+11*round, acknowledged)
		cfg := settings(t, dir)
		cfg.Shards = 2
		a, err := quietly(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("after kill -9: %v", err)
		}
		func() {
			defer func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}()
			n, err := a.fleet.SweepOrphans(t.Context(), -time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			orphans += n
			if again, err := a.fleet.SweepOrphans(t.Context(), -time.Minute); again != 0 || err != nil {
				t.Errorf("a second sweep erased %d, %v", again, err)
			}
			who, err := shop.ParseContact("+919876543210", "", "IN")
			if err != nil {
				t.Fatal(err)
			}
			account, err := a.accounts.Ensure(t.Context(), who)
			if err != nil {
				t.Fatal(err)
			}
			by := op.Caller{Account: account}
			for slug, name := range acknowledged {
				room, err := a.fleet.BySlug(t.Context(), slug)
				if err != nil {
					t.Errorf("%s was acknowledged: %v", slug, err)
					continue
				}
				if ok, err := a.accounts.Member(t.Context(), account, room.Shop()); !ok || err != nil {
					t.Errorf("%s is not its owner's: %v", slug, err)
				}
				in := by
				in.Shop = room.Shop()
				if s, err := a.office.Show.Do(t.Context(), room, in, op.Empty{}); err != nil || s.Name != name || !s.COD {
					t.Errorf("%s does not sell: %+v, %v", slug, s, err)
				}
			}
			// Each worker asks again for what it died over: one shop comes of it.
			before, err := a.fleet.Count(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			made := int64(0)
			for _, name := range killed {
				in := shop.Opening{}
				in.Body.Name = name
				by := op.Caller{Account: account, Key: name}
				first, err := a.accounts.OpenShop.Do(t.Context(), by, in)
				if err != nil {
					t.Errorf("%s is not resumed: %v", name, err)
					continue
				}
				if again, err := a.accounts.OpenShop.Do(t.Context(), by, in); err != nil || again != first {
					t.Errorf("%s: %+v, again %+v, %v", name, first, again, err)
				}
				if strings.Contains(strings.TrimPrefix(first.Slug, strings.ToLower(strings.ReplaceAll(name, " ", "-"))), "-") {
					t.Errorf("%s was opened twice: %s", name, first.Slug)
				}
				acknowledged[first.Slug] = name
				made++
			}
			if after, err := a.fleet.Count(t.Context()); err != nil || after > before+made {
				t.Errorf("%d shops before, %d after %d resumed; %v", before, after, made, err)
			}
			if _, err := a.fleet.BySlug(t.Context(), "never-opened"); !fault.Is(err, fault.KindNotFound) {
				t.Error(err)
			}
		}()
	}
	t.Logf("%d shops acknowledged; %d orphans swept", len(acknowledged), orphans)
}

// killSignUps runs the child until it has acknowledged so many shops, kills
// it, and gives the names that it was at work on.
func killSignUps(t *testing.T, dir, round string, after int, acknowledged map[string]string) (killed []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir+"\n"+round)
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	next := [8]int{}
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		slug, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		var r string
		var worker, i int
		if _, scan := fmt.Sscanf(name, "Shop %s %d %d", &r, &worker, &i); err != nil || !ok || scan != nil {
			t.Fatalf("the child says %q, %v, %v", line, err, scan)
		}
		acknowledged[slug], next[worker] = name, i+1
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if len(acknowledged) < after {
		t.Fatalf("the child ended by itself: %s", complaint.String())
	}
	for worker, i := range next {
		killed = append(killed, fmt.Sprintf("Shop %s %d %d", round, worker, i))
	}
	return killed
}
