package notify

import "haat/internal/id"

// Queued says that a message waits to be sent. Each channel has a topic of
// its own, so that one that is down does not hold up the others.
type Queued struct {
	Message id.Message `json:"message"`
}

// Key is the message's id: messages do not wait for one another's failures.
func (q Queued) Key() string { return q.Message.String() }

// Tags are none.
func (Queued) Tags() []string { return nil }

// SMSQueued says that an SMS waits to be sent.
type SMSQueued struct{ Queued }

// EmailQueued says that an e-mail waits to be sent.
type EmailQueued struct{ Queued }

// WhatsAppQueued says that a WhatsApp message waits to be sent.
type WhatsAppQueued struct{ Queued }

func (SMSQueued) Topic() string      { return "notify.sms-queued" }
func (EmailQueued) Topic() string    { return "notify.email-queued" }
func (WhatsAppQueued) Topic() string { return "notify.whatsapp-queued" }
