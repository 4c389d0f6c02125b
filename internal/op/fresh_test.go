package op_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/meter"
	"haat/internal/op"
)

// A read says how fresh it must be, and the answer how fresh it is; a mark is
// taken by header and by cookie, on the shop's own host too.
func TestConsistency(t *testing.T) {
	c := fleettest.NewCluster(t, 1, []*db.SchemaSet{op.Schema, tallySchema}, nil, nil)
	room, other := fleettest.NewShop(t, c.Fleet, "a"), fleettest.NewShop(t, c.Fleet, "b")
	g := op.NewRegistry("test", "1", "https://haat.test", door{c.Fleet, map[string]id.Account{"a": {1}, "b": {2}}}, meter.New(), slog.New(slog.DiscardHandler))
	g.Add(operations()...)
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	ask := func(method, path, body string, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.Host = "a.haat.test"; method == "POST" {
			r.Host = "haat.test"
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer a")
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	list := func(header ...string) (status int, body, served string) {
		t.Helper()
		res, body := ask("GET", "/api/v1/tallies", "", header...)
		return res.StatusCode, body, res.Header.Get("Haat-Served")
	}
	c.Await(t, "the replica has the shop", func() bool {
		_, _, served := list("Haat-Consistency", "eventual")
		return strings.HasPrefix(served, "eventual; server=r1; lag=")
	})
	c.Replicas[0].PauseReplay()
	res, body := ask("POST", "/api/v1/shops/a/tallies/x", `{"lines":[{"by":3}]}`)
	mark, cookies := res.Header.Get("Haat-Mark"), res.Cookies()
	if res.StatusCode != 201 || mark == "" || len(cookies) != 1 {
		t.Fatalf("%d %s, mark %q, cookies %v", res.StatusCode, body, mark, cookies)
	}
	if k := cookies[0]; !k.HttpOnly || !k.Secure || k.MaxAge != 300 || k.Path != "/api/v1/shops/a" || k.Value != mark {
		t.Errorf("the cookie is %v", k)
	}
	const has = `"n":3`
	for name, x := range map[string]struct {
		header []string
		has    bool
		served string
	}{
		"nothing":            {nil, true, "strong; server=primary; lag=0"},
		"session, by header": {[]string{"Haat-Consistency", "session", "Haat-Mark", mark}, true, "strong; server=primary; lag=0"},
		"a bound, by cookie": {[]string{"Haat-Consistency", "bounded=1h", "Cookie", "haat_mark=" + mark}, true, "strong; server=primary; lag=0"},
		"strong":             {[]string{"Haat-Consistency", "strong"}, true, "strong; server=primary; lag=0"},
		"a bound":            {[]string{"Haat-Consistency", "bounded=1h"}, false, "bounded; server=r1; lag="},
		"another's cookie":   {[]string{"Haat-Consistency", "bounded=1h", "Cookie", "haat_mark=" + other.Sign(db.Mark{Shop: other.Shop(), Epoch: 1, Term: 1, N: 900})}, false, "bounded; server=r1; lag="},
		"eventual":           {[]string{"Haat-Consistency", "eventual", "Haat-Mark", mark}, false, "eventual; server=r1; lag="},
	} {
		status, body, served := list(x.header...)
		if status != 200 || strings.Contains(body, has) != x.has || !strings.HasPrefix(served, x.served) {
			t.Errorf("%s: %d %s, served by %q", name, status, body, served)
		}
	}
	for _, bad := range [][]string{{"Haat-Consistency", "quick"}, {"Haat-Consistency", "bounded=-1s"}, {"Haat-Mark", "1.1.9"}, {"Haat-Mark", other.Sign(db.Mark{Shop: other.Shop(), Epoch: 1, Term: 1, N: 1})}} {
		if status, body, _ := list(bad...); status != 422 || !strings.Contains(body, "/"+bad[0]) {
			t.Errorf("%v: %d %s", bad, status, body)
		}
	}
	// A mark of ours that is ahead of the primary: a write was lost.
	lost := 0
	c.OnLoss(func(fleet.Loss) { lost++ })
	ahead := room.Sign(db.Mark{Shop: room.Shop(), Epoch: 1, Term: 1, N: 900})
	if status, body, _ := list("Haat-Mark", ahead); status != 409 || !strings.Contains(body, "acknowledged-data-lost") || lost != 1 {
		t.Errorf("a mark that was lost: %d %s, told %d times", status, body, lost)
	}
	c.Replicas[0].ResumeReplay()
	c.Await(t, "the replica has the write", func() bool {
		_, body, served := list("Haat-Mark", mark)
		return strings.Contains(body, has) && strings.HasPrefix(served, "session; server=r1; lag=")
	})
}
