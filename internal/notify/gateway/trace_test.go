package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"haat/internal/id"
	"haat/internal/notify"
	"haat/internal/notify/gateway"
)

// A gateway is told what a message is part of, if that is known.
func TestAMessageSaysWhatItIsPartOf(t *testing.T) {
	got := make(chan string, 2)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") }))
	defer srv.Close()
	s, err := gateway.New(gateway.Config{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	trace := id.NewTrace()
	m := notify.Message{ID: id.Message(id.New[struct{}]()), Channel: notify.SMS, To: "+919876543210", Text: "hello"}
	if err := s.Send(trace.In(t.Context()), m); err != nil || <-got != trace.String() {
		t.Errorf("it did not say %q, %v", trace, err)
	}
	if err := s.Send(t.Context(), m); err != nil || <-got != "" {
		t.Errorf("it said something, %v", err)
	}
}
