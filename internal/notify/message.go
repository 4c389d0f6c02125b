package notify

import (
	"context"
	"errors"

	"haat/internal/id"
)

// Channel is how a message travels.
type Channel string

const (
	SMS      Channel = "sms"
	Email    Channel = "email"
	WhatsApp Channel = "whatsapp"
)

// Channels lists them all.
var Channels = []Channel{SMS, Email, WhatsApp}

// Kind says what a message is about. The platform's own messages have kinds
// of their sender's choosing.
type Kind string

const (
	Placed    Kind = "placed"    // to the shopper: we have your order
	Received  Kind = "received"  // to the merchant: you have an order
	Paid      Kind = "paid"      // to the shopper: we have your money
	Fulfilled Kind = "fulfilled" // to the shopper: it is on its way
	Cancelled Kind = "cancelled" // to the shopper: it will not come

	WebhookOff Kind = "webhook-off" // to the merchant: a webhook takes nothing
)

// Message is one message as a sender gets it.
type Message struct {
	ID      id.Message // the key of its delivery: the same however often it is tried
	Channel Channel
	To      string // E.164, or an e-mail address
	Kind    Kind
	Subject string // of an e-mail
	Text    string // all of it, in plain text
	Code    string // the sign-in code that is also in Text; empty otherwise
	From    string // the name it comes from: a shop's or the platform's
	ReplyTo string // an e-mail address; may be empty
}

// Sender takes messages where they go. Send returns nil once the other side
// has accepted m, [Refused] if it never will, [Postponed] if it has nothing
// against us but cannot take this one now, and any other error when it cannot
// take any. It gives up when ctx ends. It may be called at once by many.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// refused is an error that trying again cannot mend.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// Refused marks err as final: this message to this address will never be
// accepted.
func Refused(err error) error { return refused{err} }

// IsRefused reports whether err is final.
func IsRefused(err error) bool { return errors.As(err, new(refused)) }

// postponed is an error of one address only.
type postponed struct{ error }

func (p postponed) Unwrap() error { return p.error }

// Postponed marks err as one of this address only: a full mailbox, say. It is
// tried again, but not for long, since others wait behind it.
func Postponed(err error) error { return postponed{err} }

// IsPostponed reports whether err is of one address only.
func IsPostponed(err error) bool { return errors.As(err, new(postponed)) }
