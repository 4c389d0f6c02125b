package hook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/order"
	"haat/internal/shop"
)

// notice is the body of a delivery.
type notice struct {
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
	Shop id.Shop   `json:"shop_id"`
	Data any       `json:"data"`
}

// gone is what is told of something that there no longer is.
type gone struct {
	ID string `json:"id"`
}

var addDelivery = db.Q(`
	INSERT INTO hook_delivery (shop, id, hook, topic, seq, body, state, attempts, due_at, status, error, at, done_at, trace)
	VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, 0, '', $7, 0, $8)`)

// Subscribe has the bus write deliveries, and send them.
func (s *Sender) Subscribe(b *event.Bus) {
	orders := func(ctx context.Context, tx *db.Tx, m event.Meta, topic string, which id.Order) error {
		return write(ctx, tx, m, topic, which.String(), func() (any, error) { return order.Read(ctx, tx, which) })
	}
	event.On(b, "hook", func(ctx context.Context, tx *db.Tx, m event.Meta, e order.OrderPlaced) error {
		return orders(ctx, tx, m, e.Topic(), e.Order)
	})
	event.On(b, "hook", func(ctx context.Context, tx *db.Tx, m event.Meta, e order.OrderAccepted) error {
		return orders(ctx, tx, m, e.Topic(), e.Order)
	})
	event.On(b, "hook", func(ctx context.Context, tx *db.Tx, m event.Meta, e order.OrderPaid) error {
		return orders(ctx, tx, m, e.Topic(), e.Order)
	})
	event.On(b, "hook", func(ctx context.Context, tx *db.Tx, m event.Meta, e order.OrderFulfilled) error {
		return orders(ctx, tx, m, e.Topic(), e.Order)
	})
	event.On(b, "hook", func(ctx context.Context, tx *db.Tx, m event.Meta, e order.OrderCancelled) error {
		return orders(ctx, tx, m, e.Topic(), e.Order)
	})
	event.On(b, "hook", func(ctx context.Context, tx *db.Tx, m event.Meta, e catalog.ProductSaved) error {
		return write(ctx, tx, m, "product.saved", e.Product.String(), func() (any, error) { return catalog.Detailed(ctx, tx, e.Product) })
	})
	event.On(b, "hook", func(ctx context.Context, tx *db.Tx, m event.Meta, e catalog.ProductDeleted) error {
		return write(ctx, tx, m, "product.deleted", e.Product.String(), func() (any, error) { return gone{e.Product.String()}, nil })
	})
	event.OnFlow(b, "hook.send", func(_ context.Context, r *fleet.Room, _ event.Meta, e Queued) (event.Then, error) {
		s.begin(r, line{e.Hook, e.Line})
		return nil, nil
	})
}

// write writes a delivery for each webhook that wants the topic.
func write(ctx context.Context, tx *db.Tx, m event.Meta, topic, what string, data func() (any, error)) error {
	settings, err := shop.Of(ctx, tx)
	if err != nil || !slices.Contains(settings.Hooks, topic) {
		return err
	}
	hooks, err := db.All(ctx, tx, allHooks, (*kept).scan)
	if err != nil {
		return err
	}
	var body []byte
	for _, h := range hooks {
		if h.State != On || !slices.Contains(strings.Fields(h.topics), topic) {
			continue
		}
		if body == nil {
			n := notice{Type: topic, At: m.At, Shop: tx.Shop()}
			n.Data, err = data()
			if fault.Is(err, fault.KindNotFound) {
				n.Data, err = gone{what}, nil
			}
			if err == nil {
				body, err = json.Marshal(n)
			}
			if err != nil {
				return fmt.Errorf("write what webhooks are told: %w", err)
			}
		}
		if err := queue(ctx, tx, h.ID, topic, m.Seq, body); err != nil {
			return err
		}
	}
	return nil
}

// queue writes a delivery and has it sent.
func queue(ctx context.Context, tx *db.Tx, hook id.Hook, topic string, seq int64, body []byte) error {
	if _, err := tx.Exec(ctx, addDelivery, id.Message(id.New[struct{}]()), hook, topic, seq, body, tx.Now(), id.TraceOf(ctx).String()); err != nil {
		return fmt.Errorf("write a webhook's delivery: %w", err)
	}
	return event.Emit(ctx, tx, Queued{hook, topic})
}
