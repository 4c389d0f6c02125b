package notify

import (
	"context"
	"embed"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the room's tables, on every shard.
var Schema = db.Schema("notify", schemaFiles)

// State is what has become of a message.
type State string

const (
	Waiting   State = "queued" // not taken by a sender yet
	Delivered State = "sent"   // taken by a sender
	Failed    State = "failed" // never to be taken; Error says why
	Kept      State = "kept"   // not sent: its channel has no sender
)

// Entry is a message as the merchant sees it.
type Entry struct {
	ID      id.Message `json:"id"`
	Order   id.Order   `json:"order_id" doc:"Empty if it is about no order"`
	Kind    Kind       `json:"kind" enum:"placed,received,paid,fulfilled,cancelled,webhook-off"`
	Channel Channel    `json:"channel" enum:"sms,email,whatsapp"`
	To      string     `json:"to" doc:"E.164, or an e-mail address"`
	Subject string     `json:"subject,omitempty" doc:"Of an e-mail"`
	Text    string     `json:"text" doc:"Without the link that follows it"`
	State   State      `json:"state" enum:"queued,sent,failed,kept" doc:"kept: not sent, because there is no sender for its channel"`
	Error   string     `json:"error,omitempty" doc:"Why it failed or was kept"`
	At      time.Time  `json:"at" doc:"When it was written"`
	DoneAt  *time.Time `json:"done_at,omitempty" doc:"When it was sent, failed or kept"`
}

// Operations lists what may be asked of this room.
func Operations() []op.Operation { return []op.Operation{&ListMessages, &ListTexts, &SetText} }

// ListMessages lists a shop's messages, newest first.
var ListMessages = op.Read[ListIn, op.List[Entry]]{
	Name: "notify.list", Route: "GET /messages", Role: op.Merchant, Fresh: fleet.Newest,
	Summary: "List messages to shoppers and to the shop, newest first", Run: list,
}

// ListIn asks for messages: all, those of a state, or those about an order.
type ListIn struct {
	op.Page
	State string `query:"state" enum:"all,queued,sent,failed,kept" default:"all"`
	Order string `query:"order" maxLength:"64" doc:"Only those about this order"`
}

const (
	selectEntries = `
		SELECT id, about, kind, channel, recipient, subject, text, state, error, at, done_at
		FROM notify_message WHERE shop = $1 AND id < $2`
	newestFirst = ` ORDER BY id DESC LIMIT $3`
)

var (
	listAll     = db.Q(selectEntries + newestFirst)
	listByState = db.Q(selectEntries + ` AND state = $4` + newestFirst)
	listByOrder = db.Q(selectEntries + ` AND about = $4 AND (CAST($5 AS TEXT) = 'all' OR state = CAST($5 AS TEXT))` + newestFirst)
)

var last = id.Message{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func list(ctx context.Context, r db.Reader, in ListIn) (op.List[Entry], error) {
	before, size := last, in.Size()
	if _, err := in.After(&before); err != nil {
		return op.List[Entry]{}, err
	}
	var rows []Entry
	var err error
	switch {
	case in.Order != "":
		var about id.Order
		if bad := about.UnmarshalText([]byte(in.Order)); bad != nil {
			return op.List[Entry]{}, fault.NotFound("There is no such order.")
		}
		state := in.State
		if state == "" {
			state = "all"
		}
		rows, err = db.All(ctx, r, listByOrder, scanEntry, before, size+1, about, state)
	case in.State != "" && in.State != "all":
		rows, err = db.All(ctx, r, listByState, scanEntry, before, size+1, in.State)
	default:
		rows, err = db.All(ctx, r, listAll, scanEntry, before, size+1)
	}
	if err != nil {
		return op.List[Entry]{}, err
	}
	for i := range rows {
		if rows[i].DoneAt.IsZero() {
			rows[i].DoneAt = nil
		}
	}
	return op.Paged(rows, size, func(e Entry) string { return op.Next(e.ID) }), nil
}

func scanEntry(e *Entry) []any {
	e.DoneAt = new(time.Time)
	return []any{&e.ID, &e.Order, &e.Kind, &e.Channel, &e.To, &e.Subject, &e.Text, &e.State, &e.Error, &e.At, e.DoneAt}
}
