package notify

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/hook"
	"haat/internal/id"
	"haat/internal/order"
	"haat/internal/shop"
)

const (
	// GiveUp is how long a message waits for a sender that is down.
	GiveUp = 3 * 24 * time.Hour
	// GiveUpAddress is how long it waits for an address that cannot take it.
	GiveUpAddress = time.Hour

	sendTime = 20 * time.Second // for one try; the bus allows 30
)

var (
	insertMessage = db.Q(`
		INSERT INTO notify_message (shop, id, about, kind, staff, channel, recipient, subject, text, link, sender, reply_to, state, error, at, done_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $14, $15, $13, $16)`)
	readQueued = db.Q(`
		SELECT id, channel, recipient, kind, subject, text, sender, reply_to, staff, link, at
		FROM notify_message WHERE shop = $1 AND id = $2 AND state = 'queued'`)
	finishMessage = db.Q(`UPDATE notify_message SET state = $3, error = $4, done_at = $5 WHERE shop = $1 AND id = $2 AND state = 'queued'`)
)

// Subscribe has the bus write messages about orders, and deliver them.
func (p *Post) Subscribe(b *event.Bus) {
	event.On(b, "notify", func(ctx context.Context, tx *db.Tx, _ event.Meta, e order.OrderPlaced) error {
		s, err := shop.Of(ctx, tx)
		if err != nil {
			return err
		}
		f := placedFields(s, e)
		err = p.tellShopper(ctx, tx, s, Placed, e.Order, e.Token, e.Phone, e.Email, func() (draft, error) { return p.draft(ctx, tx, s, Placed, f) })
		if err != nil {
			return err
		}
		return p.tellMerchant(ctx, tx, s, Received, e.Order, "/orders/"+e.Order.String(), func() (draft, error) { return p.draft(ctx, tx, s, Received, f) })
	})
	event.On(b, "notify", func(ctx context.Context, tx *db.Tx, _ event.Meta, e order.OrderPaid) error {
		return p.change(ctx, tx, Paid, e.Change, func(s shop.Settings) fields { return fieldsOf(s, e.Change) })
	})
	event.On(b, "notify", func(ctx context.Context, tx *db.Tx, _ event.Meta, e order.OrderFulfilled) error {
		return p.change(ctx, tx, Fulfilled, e.Change, func(s shop.Settings) fields { return fulfilledFields(s, e) })
	})
	event.On(b, "notify", func(ctx context.Context, tx *db.Tx, _ event.Meta, e order.OrderCancelled) error {
		return p.change(ctx, tx, Cancelled, e.Change, func(s shop.Settings) fields { return cancelledFields(s, e) })
	})
	event.On(b, "notify", func(ctx context.Context, tx *db.Tx, _ event.Meta, e hook.TurnedOff) error {
		s, err := shop.Of(ctx, tx)
		if err != nil {
			return err
		}
		return p.tellMerchant(ctx, tx, s, WebhookOff, id.Order{}, "/settings/webhooks", func() (draft, error) { return draftWebhookOff(s, e), nil })
	})
	event.OnFlow(b, "notify.sms", func(ctx context.Context, r *fleet.Room, _ event.Meta, e SMSQueued) (event.Then, error) {
		return p.deliver(ctx, r, e.Message)
	})
	event.OnFlow(b, "notify.email", func(ctx context.Context, r *fleet.Room, _ event.Meta, e EmailQueued) (event.Then, error) {
		return p.deliver(ctx, r, e.Message)
	})
	event.OnFlow(b, "notify.whatsapp", func(ctx context.Context, r *fleet.Room, _ event.Meta, e WhatsAppQueued) (event.Then, error) {
		return p.deliver(ctx, r, e.Message)
	})
}

func (p *Post) change(ctx context.Context, tx *db.Tx, kind Kind, c order.Change, of func(shop.Settings) fields) error {
	s, err := shop.Of(ctx, tx)
	if err != nil {
		return err
	}
	return p.tellShopper(ctx, tx, s, kind, c.Order, c.Token, c.Phone, c.Email, func() (draft, error) { return p.draft(ctx, tx, s, kind, of(s)) })
}

// tellShopper queues a draft for each of the shopper's addresses; without any,
// none is made.
func (p *Post) tellShopper(ctx context.Context, tx *db.Tx, s shop.Settings, kind Kind, about id.Order, token, phone, email string, draft func() (draft, error)) error {
	if phone == "" && email == "" {
		return nil
	}
	d, err := draft()
	if err != nil {
		return err
	}
	to := row{about: about, from: s.Name, replyTo: s.Email, link: "/orders/" + token}
	to.Kind = kind
	if phone != "" {
		to.Channel, to.To = p.phones(), phone
		if err := p.queue(ctx, tx, to, d); err != nil {
			return err
		}
	}
	if email != "" {
		to.Channel, to.To = Email, email
		return p.queue(ctx, tx, to, d)
	}
	return nil
}

// tellMerchant queues a draft for each of the shop's own addresses or, where it
// has none, for those of who opened it.
func (p *Post) tellMerchant(ctx context.Context, tx *db.Tx, s shop.Settings, kind Kind, about id.Order, link string, draft func() (draft, error)) error {
	if s.Phone == "" && s.WhatsApp == "" && s.Email == "" {
		s.Phone, s.Email = s.Reach.Phone, s.Reach.Email
	}
	if s.Phone == "" && s.WhatsApp == "" && s.Email == "" {
		return nil
	}
	d, err := draft()
	if err != nil {
		return err
	}
	to := row{about: about, from: s.Name, staff: true, link: link}
	to.Kind = kind
	if to.Channel, to.To = p.phones(), cmp.Or(s.Phone, s.WhatsApp); s.WhatsApp != "" && p.Can(WhatsApp) {
		to.Channel, to.To = WhatsApp, s.WhatsApp
	}
	if to.To != "" {
		if err := p.queue(ctx, tx, to, d); err != nil {
			return err
		}
	}
	if s.Email != "" {
		to.Channel, to.To = Email, s.Email
		return p.queue(ctx, tx, to, d)
	}
	return nil
}

// phones is how phones are reached.
func (p *Post) phones() Channel {
	if !p.Can(SMS) && p.Can(WhatsApp) {
		return WhatsApp
	}
	return SMS
}

// row is a message as it is kept: what is sent, without the whole link.
type row struct {
	ID            id.Message
	Channel       Channel
	To            string
	Kind          Kind
	subject, text string
	from, replyTo string
	about         id.Order
	staff         bool
	link          string
	at            time.Time
}

// queue writes a message and has it sent, or only keeps it where nobody can.
func (p *Post) queue(ctx context.Context, tx *db.Tx, r row, d draft) error {
	r.ID = id.Message(id.New[struct{}]())
	r.text = d.short
	if r.Channel == Email {
		r.subject, r.text = d.subject, d.long+"\n\n"+d.before
	}
	state, why, done := Waiting, "", time.Time{}
	if !p.Can(r.Channel) {
		state, why, done = Kept, noSender(r.Channel), tx.Now()
	}
	err := tx.Later(ctx, insertMessage, r.ID, r.about, r.Kind, r.staff, r.Channel, r.To, r.subject, r.text, r.link, oneLine(r.from), r.replyTo, tx.Now(), state, why, done)
	if err != nil || state == Kept {
		return err
	}
	q := Queued{r.ID}
	switch r.Channel {
	case Email:
		return event.Emit(ctx, tx, EmailQueued{q})
	case WhatsApp:
		return event.Emit(ctx, tx, WhatsAppQueued{q})
	}
	return event.Emit(ctx, tx, SMSQueued{q})
}

func noSender(c Channel) string { return fmt.Sprintf("There is no sender for %s here.", c) }

// deliver sends a queued message and writes down what came of it. A crash
// between the two sends it again, under the same id.
func (p *Post) deliver(ctx context.Context, room *fleet.Room, message id.Message) (event.Then, error) {
	var r row
	var found bool
	err := room.View(ctx, fleet.Newest, func(v db.Reader) (err error) {
		r, found, err = db.One(ctx, v, readQueued, func(r *row) []any {
			return []any{&r.ID, &r.Channel, &r.To, &r.Kind, &r.subject, &r.text, &r.from, &r.replyTo, &r.staff, &r.link, &r.at}
		}, message)
		return err
	})
	if err != nil || !found {
		return nil, err
	}
	sender := p.senders[r.Channel]
	if sender == nil {
		return p.finish(room, r, Kept, noSender(r.Channel)), nil
	}
	trying, cancel := context.WithTimeout(ctx, sendTime)
	err = sender.Send(trying, p.message(room, r))
	cancel()
	limit := GiveUp
	if IsPostponed(err) {
		limit = GiveUpAddress
	}
	switch {
	case err == nil:
		return p.finish(room, r, Delivered, ""), nil
	case IsRefused(err):
		return p.finish(room, r, Failed, oneLine(err.Error())), nil
	case ctx.Err() == nil && time.Since(r.at) > limit:
		return p.finish(room, r, Failed, "Given up: "+oneLine(err.Error())), nil
	}
	return nil, event.Unavailable(fmt.Errorf("send by %s: %w", r.Channel, err))
}

// message is the row as it is sent, with its whole link.
func (p *Post) message(room *fleet.Room, r row) Message {
	link := p.shopURL(room.Slug()) + r.link
	if r.staff {
		link = p.platform + "/shops/" + room.Slug() + r.link
	}
	text := r.text + " " + link
	if r.Channel == Email {
		text = r.text + "\n" + link + "\n"
	}
	return Message{ID: r.ID, Channel: r.Channel, To: r.To, Kind: r.Kind, Subject: r.subject, Text: text, From: r.from, ReplyTo: r.replyTo}
}

// finish notes what became of a message.
func (p *Post) finish(room *fleet.Room, r row, state State, why string) event.Then {
	if state == Failed {
		p.log.Warn("a message failed", "shop", room.Shop(), "message", r.ID, "channel", r.Channel, "why", why)
	}
	why = strings.ToValidUTF8(why[:min(len(why), 500)], "")
	return func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, finishMessage, r.ID, state, why, tx.Now())
		return err
	}
}
