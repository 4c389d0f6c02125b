package op_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/meter"
	"haat/internal/op"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

var tallySchema = db.Schema("tally", fstest.MapFS{"schema/0001_tally.sql": {Data: []byte(`
CREATE TABLE tally (
	shop BIGINT NOT NULL,
	name TEXT   NOT NULL,
	n    BIGINT NOT NULL,
	PRIMARY KEY (shop, name)
);`)}})

var (
	bump = db.Q(`INSERT INTO tally (shop, name, n) VALUES ($1, $2, $3) ON CONFLICT (shop, name) DO UPDATE SET n = tally.n + $3 RETURNING n`)
	aged = db.Q(`UPDATE op_answer SET at = at - $2 WHERE shop = $1`)

	oldAnswer = db.Q(`INSERT INTO op_answer (shop, caller, key, at, hash, answer) VALUES ($1, 'somebody', $2, $3, $4, $4)`)
	answers   = db.Q(`SELECT COUNT(*) FROM op_answer WHERE shop = $1`)
	all       = db.Q(`SELECT name, n FROM tally WHERE shop = $1 AND name > $2 ORDER BY name LIMIT $3`)
)

type bumpIn struct {
	op.By
	Name string `path:"name"`
	Body struct {
		Lines []struct {
			By int64 `json:"by" minimum:"1"`
		} `json:"lines" minItems:"1"`
	}
}

type tally struct {
	Name string `json:"name"`
	N    int64  `json:"n"`
	Who  string `json:"who,omitempty"`
}

type listIn struct{ op.Page }

func operations() []op.Operation {
	return []op.Operation{
		&op.Write[bumpIn, tally]{Name: "tally.bump", Route: "POST /tallies/{name}", Role: op.Merchant, Created: true,
			Run: func(ctx context.Context, tx *db.Tx, in bumpIn) (out tally, err error) {
				out = tally{Name: in.Name, Who: in.Caller.Account.String()}
				out.N, _, err = db.One(ctx, tx, bump, func(n *int64) []any { return []any{n} }, in.Name, in.Body.Lines[0].By)
				switch {
				case err == nil && in.Name == "refused":
					err = fault.Conflict("refused", "We would rather not.")
				case err == nil && in.Name == "broken":
					err = errors.New("secret detail")
				}
				return out, err
			}},
		&op.Read[listIn, op.List[tally]]{Name: "tally.list", Route: "GET /tallies", Role: op.Shopper,
			Run: func(ctx context.Context, r db.Reader, in listIn) (op.List[tally], error) {
				var after string
				if _, err := in.After(&after); err != nil {
					return op.List[tally]{}, err
				}
				rows, err := db.All(ctx, r, all, func(t *tally) []any { return []any{&t.Name, &t.N} }, after, in.Size()+1)
				return op.Paged(rows, in.Size(), func(t tally) string { return op.Next(t.Name) }), err
			}},
	}
}

// door lets Bearer <slug> into the shop of that name.
type door struct {
	fleet    *fleet.Fleet
	accounts map[string]id.Account
}

func (d door) Shop(r *http.Request, role op.Role, slug string) (*fleet.Room, error) {
	if role == op.Shopper {
		return d.fleet.ByHost(r.Context(), r.Host)
	}
	return d.fleet.BySlug(r.Context(), slug)
}

func (d door) Caller(r *http.Request, role op.Role, room *fleet.Room) (op.Caller, error) {
	who := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	c := op.Caller{Account: d.accounts[who]}
	if role != op.Shopper && c.Account.Zero() {
		return c, fault.Anonymous("Sign in first.")
	}
	if role == op.Merchant {
		if room.Slug() != who {
			return c, fault.NotFound("There is no such shop.")
		}
		c.Shop = room.Shop()
	}
	return c, nil
}

func (d door) Admit(*http.Request, op.Info, op.Caller, string) error { return nil }

func serve(t *testing.T, fn func(t *testing.T, f *fleet.Fleet, ask func(method, url, token, key, body string) (int, http.Header, string))) {
	fleettest.EachFleet(t, []*db.SchemaSet{op.Schema, tallySchema}, nil, func(t *testing.T, f *fleet.Fleet) {
		fleettest.NewShop(t, f, "a")
		fleettest.NewShop(t, f, "b")
		g := op.NewRegistry("test", "1", "http://haat.test", door{f, map[string]id.Account{"a": {1}, "b": {2}}}, meter.New(), slog.New(slog.DiscardHandler))
		g.Add(operations()...)
		fn(t, f, func(method, url, token, key, body string) (int, http.Header, string) {
			r := httptest.NewRequest(method, url, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			if key != "" {
				r.Header.Set("Idempotency-Key", key)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			b, _ := io.ReadAll(w.Result().Body)
			return w.Code, w.Result().Header, string(b)
		})
	})
}

const one = `{"lines":[{"by":1}]}`

func TestOperationsOverHTTP(t *testing.T) {
	serve(t, func(t *testing.T, f *fleet.Fleet, ask func(method, url, token, key, body string) (int, http.Header, string)) {
		for _, c := range []struct {
			method, url, token, body string
			status                   int
			has                      string
		}{
			{"POST", "/api/v1/shops/a/tallies/x", "a", one, 201, `"n":1`},
			{"POST", "/api/v1/shops/a/tallies/x", "a", one, 201, `"n":2`},
			{"POST", "/api/v1/shops/a/tallies/x", "", one, 401, `"status":401`},
			{"POST", "/api/v1/shops/b/tallies/x", "a", one, 404, "no such shop"},
			{"POST", "/api/v1/shops/zzz/tallies/x", "a", one, 404, "no such shop"},
			{"POST", "/api/v1/shops/a/tallies/x", "a", `{"lines":[{"by":0}]}`, 422, `"pointer":"/lines/0/by"`},
			{"POST", "/api/v1/shops/a/tallies/x", "a", `{"lines":`, 422, `"status":422`},
			{"POST", "/api/v1/shops/a/tallies/refused", "a", one, 409, `"code":"refused"`},
			{"POST", "/api/v1/shops/a/tallies/broken", "a", one, 500, `noted`},
			{"GET", "http://a.haat.test/api/v1/tallies?limit=9999", "", "", 200, `{"items":[{"name":"x","n":2}],"next":null}`},
			{"GET", "http://a.haat.test/api/v1/tallies?limit=0", "", "", 422, `"pointer":"/limit"`},
			{"GET", "http://a.haat.test/api/v1/tallies?cursor=x", "", "", 422, `"pointer":"/cursor"`},
			{"GET", "http://b.haat.test:81/api/v1/tallies", "", "", 200, `{"items":[],"next":null}`},
			{"GET", "http://c.haat.test/api/v1/tallies", "", "", 404, `"status":404`},
			{"GET", "http://a.haat.test/api/v1/nothing", "", "", 404, `no such operation`},
			{"DELETE", "http://a.haat.test/api/v1/tallies", "", "", 405, `"status":405`},
		} {
			status, h, body := ask(c.method, c.url, c.token, "", c.body)
			if status != c.status || !strings.Contains(body, c.has) || strings.Contains(body, "secret") {
				t.Errorf("%s %s as %q: %d %s; want %d with %s", c.method, c.url, c.token, status, body, c.status, c.has)
			}
			if want := "application/problem+json"; status >= 400 && h.Get("Content-Type") != want {
				t.Errorf("%s %s: a problem of type %s", c.method, c.url, h.Get("Content-Type"))
			}
		}
	})
}

func TestPagesFollowTheCursor(t *testing.T) {
	serve(t, func(t *testing.T, f *fleet.Fleet, ask func(method, url, token, key, body string) (int, http.Header, string)) {
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			ask("POST", "/api/v1/shops/a/tallies/"+n, "a", "", one)
		}
		var got []string
		for cursor := ""; ; {
			_, _, body := ask("GET", "http://a.haat.test/api/v1/tallies?limit=2&cursor="+cursor, "", "", "")
			var page op.List[tally]
			if err := json.Unmarshal([]byte(body), &page); err != nil {
				t.Fatal(err)
			}
			for _, i := range page.Items {
				got = append(got, i.Name)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if s := strings.Join(got, ""); s != "abcde" {
			t.Errorf("saw %s", s)
		}
	})
}

func TestIdempotencyKeys(t *testing.T) {
	serve(t, func(t *testing.T, f *fleet.Fleet, ask func(method, url, token, key, body string) (int, http.Header, string)) {
		post := func(shop, name, key, body string) (int, string) {
			status, _, text := ask("POST", "/api/v1/shops/"+shop+"/tallies/"+name, shop, key, body)
			return status, text
		}
		_, first := post("a", "x", "k1", one)
		if status, again := post("a", "x", "k1", ` {"lines": [{"by": 1}]}`); status != 201 || again != first {
			t.Errorf("the same again: %d %s, first %s", status, again, first)
		}
		if status, body := post("a", "x", "k1", `{"lines":[{"by":2}]}`); status != 409 {
			t.Errorf("another body: %d %s", status, body)
		}
		if status, body := post("a", "y", "k1", one); status != 409 {
			t.Errorf("another path: %d %s", status, body)
		}
		if _, body := post("b", "x", "k1", one); !strings.Contains(body, `"n":1`) {
			t.Errorf("another shop shares the key: %s", body)
		}
		// What failed keeps nothing, neither effect nor answer.
		for range 2 {
			if status, _ := post("a", "refused", "k2", one); status != 409 {
				t.Errorf("refused: %d", status)
			}
		}
		if _, body := post("a", "z", "k2", one); !strings.Contains(body, `"n":1`) {
			t.Errorf("a failed request kept its key: %s", body)
		}
		// A day later the key means nothing any more.
		room, err := f.BySlug(t.Context(), "a")
		if err == nil {
			_, err = room.Change(t.Context(), func(tx *db.Tx) error {
				// Answers older still, more than one write drops: k1's is there yet.
				for i := range 30 {
					if _, err := tx.Exec(t.Context(), oldAnswer, fmt.Sprint("old", i), 1+i, []byte{1}); err != nil {
						return err
					}
				}
				_, err := tx.Exec(t.Context(), aged, op.KeepFor.Microseconds())
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		if status, body := post("a", "x", "k1", `{"lines":[{"by":2}]}`); status != 201 || !strings.Contains(body, `"n":3`) {
			t.Errorf("after a day: %d %s", status, body)
		}
		err = room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
			n, _, err := db.One(t.Context(), r, answers, func(n *int64) []any { return []any{n} })
			if n < 11 || n > 14 {
				t.Errorf("%d answers are left; a write drops 20 of the 30", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		racing := make([]string, 20)
		for i := range racing {
			wg.Go(func() { _, racing[i] = post("a", "race", "k3", one) })
		}
		wg.Wait()
		for _, a := range racing {
			if a != racing[0] || !strings.Contains(a, `"n":1`) {
				t.Errorf("racing under one key gave %s and %s", a, racing[0])
			}
		}
	})
}

func TestTheDocumentNamesEveryOperation(t *testing.T) {
	g := op.NewRegistry("test", "1", "http://haat.test", door{}, meter.New(), slog.New(slog.DiscardHandler))
	g.Add(operations()...)
	b, err := g.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"openapi":"3.1.0"`, `/api/v1/shops/{slug}/tallies/{name}`, `"operationId":"tally.list"`, `Idempotency-Key`, `"bearer"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the document lacks %s", want)
		}
	}
	if strings.Contains(string(b), "Caller") || strings.Contains(string(b), "Session") {
		t.Error("the document shows who is asking as an input")
	}
}
