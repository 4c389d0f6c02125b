// Package event carries what happened in a shop to everyone who must know.
//
// [Emit] puts an event into the shop's outbox, in the transaction that made it
// true. The [Bus] hands it to each subscriber in the order of the shop's
// clock. A subscriber declared with [On] writes to the shop's own rows: the
// bus stores how far it has come in the same transaction, so its effect
// happens exactly once, whatever dies in between. One declared with [OnFlow]
// may call out; it runs at least once, and [Meta.ID] is the key by which the
// other side recognises a repetition.
//
// Order holds within a key. An event whose subscriber fails is tried again
// with growing pauses; one that keeps failing is poison, and parks its key:
// it and the later events of that key are set aside for that subscriber,
// everything else flows. Parked keys are listed, replayed in order, or dropped
// by the operator. An error wrapped by [Unavailable] (a dependency is down)
// never parks anything: the shop's events wait for that subscriber, and the
// bus says so. A transaction that is not done within thirty seconds is given up
// and waits in the same way; a call that is not has failed. A handler that does
// not come back at all is named ([Bus.Backlog]); a subscriber that may call out
// has workers of its own, so that it holds up no other.
//
// Do not assume that an event is handled before its emitter's next request,
// nor that two subscribers see it in any order.
package event

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/id"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the bus's own book-keeping, on every shard.
var Schema = db.Schema("event", schemaFiles)

// Event is something that happened in a shop: a plain struct with JSON tags.
type Event interface {
	// Topic says what happened, such as "order.placed". It needs no fields.
	Topic() string
	// Key is the text of what it happened to. Events of one key keep their order.
	Key() string
	// Tags name what the event spoils in caches, such as "product:<id>".
	Tags() []string
}

// Meta is what the bus knows of an event.
type Meta struct {
	ID   id.Event // the same in every delivery
	Shop id.Shop
	Seq  int64 // in the shop, without gaps
	Key  string
	Tags []string
	At   time.Time // when it was committed
}

// Emit puts e into the outbox, in the transaction that made it true. It is part of
// what ctx is part of ([id.TraceOf]), and so is what its subscribers do about it.
func Emit[E Event](ctx context.Context, tx *db.Tx, e E) error {
	payload, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s: %w", e.Topic(), err)
	}
	tags := e.Tags()
	for _, t := range tags {
		if strings.ContainsAny(t, " \n") {
			return fmt.Errorf("%s: the tag %q has a space", e.Topic(), t)
		}
	}
	tx.Append(db.Outgoing{ID: id.Event(id.New[struct{}]()), Topic: e.Topic(), Key: e.Key(), Tags: strings.Join(tags, " "), Trace: id.TraceOf(ctx).String(), Payload: payload})
	return nil
}

// On subscribes name to events of type E. fn's effects and the subscriber's
// progress are committed together.
func On[E Event](b *Bus, name string, fn func(context.Context, *db.Tx, Meta, E) error) {
	b.subscribe(name, topicOf[E](), handler{read: func(r *record) {
		defer func() { _ = recover() }() // the transaction, which is guarded, meets it again
		_, _ = decode[E](r)
	}, tx: func(ctx context.Context, tx *db.Tx, r record) error {
		e, err := decode[E](&r)
		if err != nil {
			return err
		}
		return fn(ctx, tx, r.meta(tx.Shop()), e)
	}})
}

// Then is what a flow has to write about how it went: it is committed together
// with the subscriber's progress, in one transaction. nil is nothing.
type Then func(context.Context, *db.Tx) error

// OnFlow subscribes name to events of type E. fn may call out and may run
// again for the same event.
func OnFlow[E Event](b *Bus, name string, fn func(context.Context, *fleet.Room, Meta, E) (Then, error)) {
	b.subscribe(name, topicOf[E](), handler{flow: func(ctx context.Context, room *fleet.Room, r record) (Then, error) {
		e, err := decode[E](&r)
		if err != nil {
			return nil, err
		}
		return fn(ctx, room, r.meta(room.Shop()), e)
	}})
}

func topicOf[E Event]() string {
	var e E
	return e.Topic()
}

// decode gives what an event says. A record remembers it, for its other
// subscribers and for the transaction after this one.
func decode[E Event](r *record) (E, error) {
	if e, ok := r.said.(E); ok {
		return e, nil
	}
	var e E
	if err := json.Unmarshal(r.payload, &e); err != nil {
		return e, poison{fmt.Errorf("decode %s: %w", r.topic, err)}
	}
	r.said = e
	return e, nil
}

// record is a row of the outbox.
type record struct {
	seq     int64
	event   id.Event
	at      time.Time
	topic   string
	key     string
	tags    string
	payload []byte
	trace   string // a header traceparent; empty: part of nothing that is known
	said    any    // the event, once it was decoded; nobody may change it
}

// in has what is done about the event be part of what it is part of.
func (r record) in(ctx context.Context) context.Context {
	if t, ok := id.ParseTrace(r.trace); ok {
		return t.In(ctx)
	}
	return ctx
}

func (r record) meta(shop id.Shop) Meta {
	return Meta{ID: r.event, Shop: shop, Seq: r.seq, Key: r.key, Tags: strings.Fields(r.tags), At: r.at}
}

// poison is an error that trying again cannot mend.
type poison struct{ error }

func (p poison) Unwrap() error { return p.error }

// unavailable is the error of a dependency that is down.
type unavailable struct{ error }

func (u unavailable) Unwrap() error { return u.error }

// Unavailable marks err as the fault of something we depend on: the event
// waits, however long it takes, and is not counted against it.
func Unavailable(err error) error { return unavailable{err} }

func isUnavailable(err error) bool {
	return errors.As(err, new(unavailable)) || errors.Is(err, db.ErrFull)
}
func isPoison(err error) bool { return errors.As(err, new(poison)) }
