package app

import (
	"context"
	"encoding/json"
	"io"

	"haat/internal/api"
	"haat/internal/cli"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/id"
)

type parkedCmd struct {
	remote
	cli.Parked
}

func (c *parkedCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Parked.Run(ctx, o, out) })
}

// Parked implements api.Operator.
func (a *App) Parked(ctx context.Context, only string, after api.ParkedPlace) (page api.ParkedPage, err error) {
	var shops []id.Shop
	if only != "" {
		room, err := a.fleet.BySlug(ctx, only)
		if err != nil {
			return page, err
		}
		shops = []id.Shop{room.Shop()}
	} else {
		counts, err := a.bus.ParkedCounts(ctx)
		if err != nil {
			return page, err
		}
		for _, c := range counts {
			shops = append(shops, c.Shop)
		}
	}
	page.Items = []api.ParkedEvent{}
	from, of := id.Shop(0), id.Shop(0) // of is the last item's
	if after.Shop != "" {
		var err error
		if from, err = id.ParseShop(after.Shop); err != nil {
			return page, fault.Invalid("after", "This is the place of no shop.")
		}
	}
	for _, shop := range shops {
		at := event.ParkedAt{}
		if shop < from {
			continue
		}
		if shop == from {
			at = event.ParkedAt{Subscriber: after.Subscriber, Key: after.Key, Seq: after.Seq}
		}
		room, err := a.fleet.ByID(ctx, shop)
		if fault.Is(err, fault.KindNotFound) {
			continue // an unfinished sign-up
		}
		if err != nil {
			return page, err
		}
		all, err := event.ListParked(ctx, room, at, api.ParkedAPage+1-len(page.Items))
		if err != nil {
			return page, err
		}
		for _, p := range all {
			if len(page.Items) == api.ParkedAPage {
				last := page.Items[len(page.Items)-1]
				page.Next = &api.ParkedPlace{Shop: of.String(), ParkedKey: api.ParkedKey{Subscriber: last.Subscriber, Key: last.Key}, Seq: last.Seq}
				return page, nil
			}
			p.Payload, of = asJSON(p.Payload), shop
			page.Items = append(page.Items, api.ParkedEvent{Shop: room.Slug(), Parked: p})
		}
	}
	return page, nil
}

// Settled implements api.Operator.
func (a *App) Settled(ctx context.Context, slug string) ([]event.Settled, error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return nil, err
	}
	all, err := event.ListSettled(ctx, room)
	for i := range all {
		all[i].Payload = asJSON(all[i].Payload)
	}
	return all, err
}

// asJSON gives what an event says; where that is no JSON, as a string.
func asJSON(payload json.RawMessage) json.RawMessage {
	if json.Valid(payload) {
		return payload
	}
	b, _ := json.Marshal(string(payload)) // a string never fails
	return b
}

// EditParked implements api.Operator.
func (a *App) EditParked(ctx context.Context, slug string, at api.ParkedKey, seq int64, payload json.RawMessage) error {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return err
	}
	return a.bus.Edit(ctx, room, at.Subscriber, at.Key, seq, payload)
}

// Unpark implements api.Operator.
func (a *App) Unpark(ctx context.Context, slug string, at api.ParkedKey, upTo int64, drop bool) (done event.Unparked, err error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return done, err
	}
	if drop {
		if upTo <= 0 {
			return done, fault.Invalid("up_to", "Say up to which event they are given up: the last that you saw. What came later stays parked.")
		}
		return a.bus.Drop(ctx, room, at.Subscriber, at.Key, upTo)
	}
	if upTo <= 0 {
		if _, upTo, err = event.CountParked(ctx, room, at.Subscriber, at.Key); err != nil {
			return done, err
		}
	}
	done, err = a.bus.Replay(ctx, room, at.Subscriber, at.Key, upTo)
	if err != nil {
		return done, fault.Conflict("still-failing", "It failed again, after %d events were handled: %v", done.Events, err)
	}
	return done, nil
}
