package shop_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"haat/internal/fleet"
	"haat/internal/meter"
	"haat/internal/op"
	"haat/internal/shop"
)

// door lets in by bearer token.
type door struct{ *platform }

func (d door) Shop(r *http.Request, _ op.Role, slug string) (*fleet.Room, error) {
	return d.fleet.BySlug(r.Context(), slug)
}

func (d door) Caller(r *http.Request, role op.Role, room *fleet.Room) (op.Caller, error) {
	c := op.Caller{IP: "203.0.113.1"}
	if role == op.Public {
		return c, nil
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s, err := d.Authenticate(r.Context(), token)
	if err != nil {
		return c, err
	}
	c.Account, c.Session = s.Account, s.ID.String()
	if room != nil {
		if ok, err := d.Member(r.Context(), s.Account, room.Shop()); err != nil {
			return c, err
		} else if ok {
			c.Shop = room.Shop()
		}
	}
	return c, nil
}

func (d door) Admit(*http.Request, op.Info, op.Caller, string) error { return nil }

func TestRoutes(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		g := op.NewRegistry("haat", "1", "http://haat.test", door{p}, meter.New(), slog.New(slog.DiscardHandler))
		g.Add(p.Operations()...)
		g.Add(shop.NewOffice(nil).Operations()...)
		token := ""
		call := func(status int, request, body string, header ...string) map[string]any {
			t.Helper()
			method, path, _ := strings.Cut(request, " ")
			r := httptest.NewRequestWithContext(t.Context(), method, "http://haat.test/api/v1"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("User-Agent", "A browser")
			r.Header.Set("Authorization", "Bearer "+token)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			text, _ := io.ReadAll(w.Body)
			var out map[string]any
			if len(text) > 0 {
				if err := json.Unmarshal(text, &out); err != nil {
					t.Fatalf("%s: %v in %s", request, err, text)
				}
			}
			if w.Code != status {
				t.Errorf("%s %s: %d, want %d: %s", request, body, w.Code, status, text)
			}
			return out
		}
		call(401, "GET /account", "")
		call(422, "POST /auth/codes", `{}`)
		call(422, "POST /auth/codes", `{"phone": "12"}`)
		call(422, "POST /auth/codes", `{"phone": "+919876543210", "email": "ravi@example.com"}`)
		sent := call(202, "POST /auth/codes", `{"phone": "+91 98765 43210"}`)
		if sent["to"] != ravi || sent["channel"] != "sms" {
			t.Errorf("sent: %v", sent)
		}
		code := p.last(ravi).Code
		bad := call(422, "POST /auth/sessions", `{"phone": "+919876543210", "code": "`+wrong(code)+`"}`)
		if bad["code"] != "wrong-code" {
			t.Errorf("a wrong code: %v", bad)
		}
		in := call(201, "POST /auth/sessions", `{"phone": "+919876543210", "code": "`+code+`"}`)
		token, _ = in["token"].(string)
		opened := call(201, "POST /shops", `{"name": "Ravi's Store"}`, "Idempotency-Key", "a")
		again := call(201, "POST /shops", `{"name": "Ravi's Store"}`, "Idempotency-Key", "a")
		if opened["slug"] != "ravis-store" || opened["url"] != "https://ravis-store.haat.test" || opened["id"] == "" || opened["id"] != again["id"] {
			t.Errorf("opened %v, again %v", opened, again)
		}
		call(409, "POST /shops", `{"name": "Another"}`, "Idempotency-Key", "a")
		call(422, "POST /shops", `{}`)
		if list := call(200, "GET /shops", ""); len(list["items"].([]any)) != 1 {
			t.Errorf("shops: %v", list)
		}
		if list := call(200, "GET /auth/sessions", ""); list["items"].([]any)[0].(map[string]any)["agent"] != "A browser" {
			t.Errorf("sessions: %v", list)
		}
		set := call(200, "PATCH /shops/ravis-store/settings", `{"theme": {"accent": "#123456"}, "hold_hours": 48}`)
		if set["hold_hours"] != 48.0 || set["name"] != "Ravi's Store" {
			t.Errorf("settings: %v", set)
		}
		call(422, "PATCH /shops/ravis-store/settings", `{"hold_hours": 100000}`)
		call(422, "PATCH /shops/ravis-store/settings", `{"theme": {"accent": "red"}}`)
		if got := call(200, "GET /shops/ravis-store/settings", ""); got["theme"].(map[string]any)["accent"] != "#123456" {
			t.Errorf("settings: %v", got)
		}
		call(404, "GET /shops/nobody/settings", "")
		call(202, "POST /account/contacts", `{"email": "ravi@example.com"}`)
		call(200, "POST /account/contacts/confirm", `{"email": "ravi@example.com", "code": "`+p.last(mail).Code+`"}`)
		if me := call(200, "DELETE /account/contacts/%2B919876543210", ""); len(me["contacts"].([]any)) != 1 {
			t.Errorf("account: %v", me)
		}
		mine := token
		theirs, _ := p.enter(other)
		token = theirs.Token
		call(404, "GET /shops/ravis-store/settings", "")
		call(404, "PATCH /shops/ravis-store/settings", `{"name": "Mine now"}`)
		token = mine
		call(204, "DELETE /auth/sessions/current", "")
		call(401, "GET /account", "")
		token = theirs.Token
		call(204, "DELETE /auth/sessions", "")
		call(401, "GET /shops", "")
	})
}
