package hook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/op"
)

// Operations lists what may be asked of this room.
func Operations() []op.Operation {
	return []op.Operation{&List, &Create, &Change, &Delete, &Test, &ListDeliveries, &Replay, &Drop}
}

// Merchants' operations.
var (
	List = op.Read[op.Page, op.List[Hook]]{
		Name: "hook.list", Route: "GET /webhooks", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "List webhooks, oldest first", Run: list,
	}
	Create = op.Write[CreateIn, Created]{
		Name: "hook.create", Route: "POST /webhooks", Role: op.Merchant, Created: true,
		Summary: "Make a webhook; its secret is shown this once", Run: create,
	}
	Change = op.Write[ChangeIn, Hook]{
		Name: "hook.change", Route: "PATCH /webhooks/{webhook}", Role: op.Merchant,
		Summary: "Change a webhook: only what is given", Run: change,
	}
	Delete = op.Write[HookIn, op.Empty]{
		Name: "hook.delete", Route: "DELETE /webhooks/{webhook}", Role: op.Merchant,
		Summary: "Delete a webhook with its deliveries", Run: remove,
	}
	Test = op.Write[HookIn, op.Empty]{
		Name: "hook.test", Route: "POST /webhooks/{webhook}/test", Role: op.Merchant,
		Summary: "Send a webhook a delivery of the type test", Run: try,
	}
	ListDeliveries = op.Read[DeliveriesIn, op.List[Delivery]]{
		Name: "hook.list-deliveries", Route: "GET /webhooks/{webhook}/deliveries", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "List what a webhook was told, newest first", Run: deliveries,
	}
	Replay = op.Write[DeliveryIn, Delivery]{
		Name: "hook.replay", Route: "POST /webhooks/{webhook}/deliveries/{delivery}/replay", Role: op.Merchant,
		Summary: "Send a delivery again, under the same id, or now instead of later", Run: replay,
	}
	Drop = op.Write[DeliveryIn, Delivery]{
		Name: "hook.drop", Route: "POST /webhooks/{webhook}/deliveries/{delivery}/drop", Role: op.Merchant,
		Summary: "Do not send a delivery that waits: those behind it go on", Run: drop,
	}
)

// HookIn names a webhook.
type HookIn struct {
	Hook string `path:"webhook" maxLength:"64"`
}

// CreateIn makes a webhook.
type CreateIn struct {
	op.By
	Body struct {
		URL    string   `json:"url" maxLength:"4000" doc:"https, on the public internet" example:"https://example.com/haat"`
		Topics []string `json:"topics" maxItems:"100" doc:"What it is to be told of"`
	}
}

// Created is a new webhook with its secret.
type Created struct {
	Hook
	Secret string `json:"secret" doc:"Deliveries are signed with it, as Standard Webhooks says. It is not shown again."`
}

// ChangeIn changes a webhook. What is absent stays as it is.
type ChangeIn struct {
	op.By
	Hook string `path:"webhook" maxLength:"64"`
	Body struct {
		URL    *string   `json:"url,omitempty" maxLength:"4000"`
		Topics *[]string `json:"topics,omitempty" maxItems:"100"`
		State  *State    `json:"state,omitempty" enum:"on,off" doc:"Turned on, it is told first what has waited"`
	}
}

// DeliveriesIn asks for a webhook's deliveries.
type DeliveriesIn struct {
	op.Page
	Hook  string `path:"webhook" maxLength:"64"`
	State string `query:"state" enum:"all,waiting,sent,failed,dropped" default:"all"`
}

// DeliveryIn names a delivery.
type DeliveryIn struct {
	op.By
	Hook     string `path:"webhook" maxLength:"64"`
	Delivery string `path:"delivery" maxLength:"64"`
}

// Delivery is what a webhook was told, or is to be told.
type Delivery struct {
	ID       id.Message      `json:"id"`
	Topic    string          `json:"topic"`
	State    string          `json:"state" enum:"waiting,sent,failed,dropped" doc:"failed: not taken for 72 hours, while others were"`
	Attempts int64           `json:"attempts"`
	Next     *time.Time      `json:"next,omitempty" doc:"When it is tried next, if nothing before it waits; absent while the webhook is off"`
	Status   int64           `json:"status,omitempty" doc:"HTTP status of the last answer"`
	Error    string          `json:"error,omitempty" doc:"Why it was not taken the last time"`
	At       time.Time       `json:"at" doc:"When it was written"`
	DoneAt   *time.Time      `json:"done_at,omitempty" doc:"When it was taken, given up or dropped"`
	Body     json.RawMessage `json:"body"`
}

func list(ctx context.Context, r db.Reader, in op.Page) (op.List[Hook], error) {
	all, err := read(ctx, r)
	if err != nil {
		return op.List[Hook]{}, err
	}
	return op.Slice(all, in)
}

// webhooks is what two who change a shop's webhooks would both write.
const webhooks = "webhooks"

func create(ctx context.Context, tx *db.Tx, in CreateIn) (Created, error) {
	address, err := checkURL(in.Body.URL)
	if err != nil {
		return Created{}, err
	}
	topics, err := checkTopics(in.Body.Topics)
	if err != nil {
		return Created{}, err
	}
	if err := tx.Alone(ctx, webhooks); err != nil {
		return Created{}, err
	}
	all, err := read(ctx, tx)
	if err != nil {
		return Created{}, err
	}
	if len(all) >= Most {
		return Created{}, fault.Conflict("too-many-webhooks", "A shop has at most %d webhooks. Delete one that is not needed any more.", Most)
	}
	h := Hook{ID: id.Hook(id.New[struct{}]()), URL: address, Topics: topics, State: On, CreatedAt: tx.Now(), secret: newSecret()}
	if _, err := tx.Exec(ctx, addHook, h.ID, h.URL, h.secret, "", h.State, "", time.Time{}, h.CreatedAt); err != nil {
		return Created{}, fmt.Errorf("write a webhook: %w", err)
	}
	return Created{h, secretText(h.secret)}, store(ctx, tx, h)
}

func change(ctx context.Context, tx *db.Tx, in ChangeIn) (Hook, error) {
	if err := tx.Alone(ctx, webhooks); err != nil {
		return Hook{}, err
	}
	h, err := one(ctx, tx, in.Hook)
	if err != nil {
		return h, err
	}
	if in.Body.URL != nil {
		if h.URL, err = checkURL(*in.Body.URL); err != nil {
			return h, err
		}
	}
	if in.Body.Topics != nil {
		if h.Topics, err = checkTopics(*in.Body.Topics); err != nil {
			return h, err
		}
	}
	if in.Body.State != nil && *in.Body.State != h.State {
		h.State, h.Why, h.Failing = *in.Body.State, "", nil
		due := never
		if h.State == On {
			due = tx.Now()
		}
		if _, err := tx.Exec(ctx, hold, h.ID, due); err != nil {
			return h, err
		}
		if h.State == On {
			for _, t := range append(h.Topics, testing) {
				if err := event.Emit(ctx, tx, Queued{h.ID, t}); err != nil {
					return h, err
				}
			}
		}
	}
	if err := store(ctx, tx, h); err != nil {
		return h, err
	}
	all, err := read(ctx, tx)
	for _, now := range all {
		if now.ID == h.ID {
			h = now
		}
	}
	return h, err
}

func remove(ctx context.Context, tx *db.Tx, in HookIn) (op.Empty, error) {
	h, err := one(ctx, tx, in.Hook)
	if err != nil {
		return op.Empty{}, err
	}
	if _, err := tx.Exec(ctx, dropAll, h.ID); err != nil {
		return op.Empty{}, err
	}
	if _, err := tx.Exec(ctx, dropHook, h.ID); err != nil {
		return op.Empty{}, err
	}
	return op.Empty{}, want(ctx, tx)
}

// testing is the type of a delivery that tells of nothing.
const testing = "test"

func try(ctx context.Context, tx *db.Tx, in HookIn) (op.Empty, error) {
	h, err := one(ctx, tx, in.Hook)
	if err != nil {
		return op.Empty{}, err
	}
	if h.State != On {
		return op.Empty{}, fault.Conflict("webhook-off", "The webhook is turned off. Turn it on first.")
	}
	body, err := json.Marshal(notice{Type: testing, At: tx.Now(), Shop: tx.Shop(), Data: struct{}{}})
	if err != nil {
		return op.Empty{}, err
	}
	return op.Empty{}, queue(ctx, tx, h.ID, testing, tx.Now().UnixMicro(), body)
}

const deliveryColumns = `SELECT id, topic, state, attempts, due_at, status, error, at, done_at, body FROM hook_delivery WHERE shop = $1 AND hook = $2 AND `

var (
	listDeliveries = db.Q(deliveryColumns + `id < $3 AND (CAST($4 AS TEXT) = 'all' OR state = CAST($4 AS TEXT)) ORDER BY id DESC LIMIT $5`)
	oneDelivery    = db.Q(deliveryColumns + `id = $3`)
	resend         = db.Q(`UPDATE hook_delivery SET state = 'waiting', attempts = 0, due_at = $3, done_at = 0, error = '' WHERE shop = $1 AND id = $2`)
)

func (d *Delivery) scan() []any {
	d.Next, d.DoneAt = new(time.Time), new(time.Time)
	return []any{&d.ID, &d.Topic, &d.State, &d.Attempts, d.Next, &d.Status, &d.Error, &d.At, d.DoneAt, (*[]byte)(&d.Body)}
}

func (d *Delivery) tidy() {
	if d.State != "waiting" || !d.Next.Before(never) {
		d.Next = nil
	}
	if d.DoneAt.IsZero() {
		d.DoneAt = nil
	}
}

var last = id.Message{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func deliveries(ctx context.Context, r db.Reader, in DeliveriesIn) (op.List[Delivery], error) {
	h, err := one(ctx, r, in.Hook)
	if err != nil {
		return op.List[Delivery]{}, err
	}
	before, size, state := last, in.Size(), in.State
	if _, err := in.After(&before); err != nil {
		return op.List[Delivery]{}, err
	}
	if state == "" {
		state = "all"
	}
	rows, err := db.All(ctx, r, listDeliveries, (*Delivery).scan, h.ID, before, state, size+1)
	if err != nil {
		return op.List[Delivery]{}, err
	}
	for i := range rows {
		rows[i].tidy()
	}
	return op.Paged(rows, size, func(d Delivery) string { return op.Next(d.ID) }), nil
}

func delivered(ctx context.Context, r db.Reader, in DeliveryIn) (h Hook, d Delivery, err error) {
	if h, err = one(ctx, r, in.Hook); err != nil {
		return h, d, err
	}
	var which id.Message
	found := which.UnmarshalText([]byte(in.Delivery)) == nil && !which.Zero()
	if found {
		d, found, err = db.One(ctx, r, oneDelivery, (*Delivery).scan, h.ID, which)
	}
	if err == nil && !found {
		err = fault.NotFound("There is no such delivery.")
	}
	return h, d, err
}

func replay(ctx context.Context, tx *db.Tx, in DeliveryIn) (Delivery, error) {
	h, d, err := delivered(ctx, tx, in)
	if err != nil {
		return d, err
	}
	if h.State != On {
		return d, fault.Conflict("webhook-off", "The webhook is turned off. Turn it on first.")
	}
	now := tx.Now()
	if _, err := tx.Exec(ctx, resend, d.ID, now); err != nil {
		return d, err
	}
	d.State, d.Attempts, d.Next, d.Error, *d.DoneAt = "waiting", 0, &now, "", time.Time{}
	d.tidy()
	return d, event.Emit(ctx, tx, Queued{h.ID, d.Topic})
}

func drop(ctx context.Context, tx *db.Tx, in DeliveryIn) (Delivery, error) {
	h, d, err := delivered(ctx, tx, in)
	if err != nil {
		return d, err
	}
	n, err := tx.Exec(ctx, settle, d.ID, "dropped", d.Status, d.Error, tx.Now())
	if err != nil {
		return d, err
	}
	if n == 0 {
		return d, fault.Conflict("not-waiting", "The delivery does not wait any more.")
	}
	d.State, *d.DoneAt = "dropped", tx.Now()
	d.tidy()
	return d, event.Emit(ctx, tx, Queued{h.ID, d.Topic})
}
