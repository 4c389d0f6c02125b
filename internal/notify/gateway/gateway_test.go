package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"haat/internal/id"
	"haat/internal/notify"
	"haat/internal/notify/gateway"
)

func message() notify.Message {
	return notify.Message{ID: id.Message(id.New[struct{}]()), Channel: notify.SMS, To: "+919876543210", Kind: notify.Placed, Text: "नमस्ते & <hello>", From: "Chai House"}
}

func sender(t *testing.T, h http.HandlerFunc) *gateway.Sender {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s, err := gateway.New(gateway.Config{URL: server.URL + "/messages", Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAMessageIsPostedUnderItsKey(t *testing.T) {
	m := message()
	posted := 0
	s := sender(t, func(w http.ResponseWriter, r *http.Request) {
		posted++
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var got map[string]string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Error(err)
		}
		if r.Method != "POST" || r.URL.Path != "/messages" || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Idempotency-Key") != m.ID.String() {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		want := map[string]string{"id": m.ID.String(), "channel": "sms", "to": m.To, "kind": "placed", "text": m.Text, "from": "Chai House"}
		if len(got) != len(want) {
			t.Errorf("posted %s", b)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s is %q, not %q", k, got[k], v)
			}
		}
		w.WriteHeader(http.StatusAccepted)
	})
	for range 2 {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if posted != 2 {
		t.Errorf("posted %d times", posted)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for status, refused := range map[int]bool{
		400: true, 404: true, 410: true, 413: true, 422: true,
		302: false, 401: false, 403: false, 408: false, 409: false, 429: false, 500: false, 503: false,
	} {
		s := sender(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/messages" {
				t.Error("a redirection was followed, with the token")
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "because\nof that"+strings.Repeat(" and so on", 1000))
		})
		err := s.Send(t.Context(), message())
		if err == nil || notify.IsRefused(err) != refused || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "because of that") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestNoAnswerIsTriedAgain(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s, err := gateway.New(gateway.Config{URL: gone.URL + "/?key=secret"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), message()); err == nil || notify.IsRefused(err) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	hang := make(chan struct{})
	defer close(hang)
	slow := sender(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := slow.Send(ctx, message()); err == nil || notify.IsRefused(err) {
		t.Errorf("%v", err)
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	for _, bad := range []string{"", "gateway", "ftp://example.com", "https://", "://"} {
		if _, err := gateway.New(gateway.Config{URL: bad}); err == nil {
			t.Errorf("%q passes for an HTTP address", bad)
		}
	}
}
