package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"haat/internal/fault"
	"haat/internal/id"
)

// SendTime is how long the platform waits for a sender while somebody waits
// for a code.
const SendTime = 8 * time.Second

// Config is what a Post is made of. A channel without sender is nil.
type Config struct {
	SMS, Email, WhatsApp Sender
	ShopURL              func(slug string) string // a shop's origin: "https://demo.example.com"
	PlatformURL          string                   // the platform's origin
	Log                  *slog.Logger
}

// Post sends messages. It is safe for use by many.
type Post struct {
	senders  map[Channel]Sender
	shopURL  func(string) string
	platform string
	log      *slog.Logger
}

// NewPost makes a Post.
func NewPost(c Config) *Post {
	p := &Post{senders: map[Channel]Sender{}, shopURL: c.ShopURL, platform: c.PlatformURL, log: c.Log}
	for channel, s := range map[Channel]Sender{SMS: c.SMS, Email: c.Email, WhatsApp: c.WhatsApp} {
		if s != nil {
			p.senders[channel] = s
		}
	}
	return p
}

// Can reports whether messages of a channel can be sent.
func (p *Post) Can(c Channel) bool { return p.senders[c] != nil }

// Send sends a message of the platform's, now, within SendTime. It needs To,
// Channel and Text; without ID it gets one, and without Subject its first
// sentence. Its error is a fault for the person who waits: fault.Busy with the
// word "cannot-send" when the message did not go out, fault.Invalid when the
// address is refused.
func (p *Post) Send(ctx context.Context, m Message) error {
	field := "/phone"
	if m.Channel == Email {
		field = "/email"
	}
	s := p.senders[m.Channel]
	if s == nil {
		if m.Channel == Email {
			return fault.Busy(0, "We cannot send e-mails yet. Use a phone number.").With("cannot-send")
		}
		return fault.Busy(0, "We cannot send messages to phones yet. Use an e-mail address.").With("cannot-send")
	}
	if m.ID.Zero() {
		m.ID = id.Message(id.New[struct{}]())
	}
	if m.Subject == "" {
		m.Subject, _, _ = strings.Cut(oneLine(m.Text), ". ")
		m.Subject = strings.TrimSuffix(m.Subject, ".")
	}
	ctx, cancel := context.WithTimeout(ctx, SendTime)
	defer cancel()
	err := s.Send(ctx, m)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case IsRefused(err):
		p.log.Warn("a message was refused", "kind", m.Kind, "channel", m.Channel, "err", err)
		return fault.Invalid(field, "We cannot send messages to this address.").Because(err)
	}
	p.log.Error("a message could not be sent", "kind", m.Kind, "channel", m.Channel, "err", err)
	return fault.Busy(30*time.Second, "We could not send the message. Try again in a moment.").With("cannot-send").Because(fmt.Errorf("send by %s: %w", m.Channel, err))
}
