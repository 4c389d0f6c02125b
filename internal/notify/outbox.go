package notify

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Sent is a message as the outbox remembers it.
type Sent struct {
	To      string    `json:"to" doc:"E.164, or an e-mail address"`
	Channel Channel   `json:"channel"`
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject,omitempty"`
	Text    string    `json:"text"`
	Code    string    `json:"code" doc:"The sign-in code; empty in other messages"`
	SentAt  time.Time `json:"sent_at"`
}

// remembered is how many messages an outbox remembers.
const remembered = 1000

// Outbox remembers the latest messages, in memory, to be looked at while
// developing. Make one with NewOutbox.
type Outbox struct {
	mu   sync.Mutex
	ring []Sent
	next int // where the next one goes once the ring is full
}

// NewOutbox makes an empty outbox, which remembers the latest thousand.
func NewOutbox() *Outbox { return &Outbox{} }

// Over gives a sender that remembers every message once and then has next
// send it. Without next, remembering it is all that is done.
func (o *Outbox) Over(next Sender) Sender { return &recording{o, next} }

// Recent gives what is remembered, newest first; never nil.
func (o *Outbox) Recent() []Sent {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]Sent, 0, len(o.ring))
	for i := range o.ring {
		out = append(out, o.ring[(o.next+len(o.ring)-1-i)%len(o.ring)])
	}
	return out
}

func (o *Outbox) add(s Sent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ring) < remembered {
		o.ring = append(o.ring, s)
		return
	}
	o.ring[o.next] = s
	o.next = (o.next + 1) % remembered
}

type recording struct {
	outbox *Outbox
	next   Sender
}

func (r *recording) Send(ctx context.Context, m Message) error {
	if r.next != nil {
		if err := r.next.Send(ctx, m); err != nil {
			return err
		}
	}
	r.outbox.add(Sent{To: m.To, Channel: m.Channel, Kind: m.Kind, Subject: m.Subject, Text: m.Text, Code: m.Code, SentAt: time.Now().UTC()})
	return nil
}

// Console gives a sender that prints every message as one line, a code so that
// it is seen at once.
func Console(w io.Writer) Sender { return &console{w: w} }

type console struct {
	mu sync.Mutex
	w  io.Writer
}

func (c *console) Send(_ context.Context, m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if m.Code != "" {
		_, err = fmt.Fprintf(c.w, "  code %s  for %s\n", m.Code, m.To)
	} else {
		_, err = fmt.Fprintf(c.w, "  %s to %s: %s\n", m.Channel, m.To, oneLine(m.Text))
	}
	return err
}
