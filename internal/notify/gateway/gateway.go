// Package gateway hands notify.Messages to an HTTP gateway, which takes them
// to phones: a small service in front of whichever provider a country needs.
//
// A message is one POST of a JSON object, with an Authorization of type
// Bearer when there is a token and the message's id as Idempotency-Key: a
// gateway that is asked again under a key that it knows answers as before and
// sends nothing twice.
//
//	{"id", "channel": "sms"|"whatsapp"|"email", "to": "+919876543210", "from": "Chai House",
//	 "kind", "text", "subject", "reply_to", "code"}
//
// A 2xx answer takes the message over. 400, 404, 410, 413 and 422 refuse it
// for good; any other answer, or none, is tried again.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"haat/internal/id"
	"haat/internal/notify"
)

// Config says where the gateway is.
type Config struct {
	URL   string // http or https
	Token string // may be empty
}

// Sender posts messages.
type Sender struct {
	config Config
	client *http.Client
}

// New makes a Sender. It does not connect.
func New(c Config) (*Sender, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the gateway %q is not an HTTP address", c.URL)
	}
	return &Sender{c, &http.Client{
		Timeout: 20 * time.Second,
		// A redirection would take the token somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

type body struct {
	ID      string         `json:"id"`
	Channel notify.Channel `json:"channel"`
	To      string         `json:"to"`
	From    string         `json:"from,omitempty"`
	Kind    notify.Kind    `json:"kind"`
	Text    string         `json:"text"`
	Subject string         `json:"subject,omitempty"`
	ReplyTo string         `json:"reply_to,omitempty"`
	Code    string         `json:"code,omitempty"`
}

// Send posts m.
func (s *Sender) Send(ctx context.Context, m notify.Message) error {
	b, err := json.Marshal(body{m.ID.String(), m.Channel, m.To, m.From, m.Kind, m.Text, m.Subject, m.ReplyTo, m.Code})
	if err != nil {
		return notify.Refused(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", m.ID.String())
	if trace := id.TraceOf(ctx); !trace.Zero() {
		req.Header.Set("Traceparent", trace.String())
	}
	if s.config.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.config.Token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which may hold a secret
		}
		return fmt.Errorf("the gateway does not answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
		_ = err                                                          // taken over is taken over
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	err = fmt.Errorf("the gateway answered %s: %s", resp.Status, printable(said))
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return notify.Refused(err)
	}
	return err
}

func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), "")))
}
