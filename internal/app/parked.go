package app

import (
	"context"
	"encoding/json"
	"io"

	"haat/internal/api"
	"haat/internal/cli"
	"haat/internal/event"
	"haat/internal/fault"
)

type parkedCmd struct {
	remote
	cli.Parked
}

func (c *parkedCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Parked.Run(ctx, o, out) })
}

// Parked implements api.Operator.
func (a *App) Parked(ctx context.Context) ([]api.ParkedEvent, error) {
	counts, err := a.bus.ParkedCounts(ctx)
	if err != nil {
		return nil, err
	}
	out := []api.ParkedEvent{}
	for _, c := range counts {
		room, err := a.fleet.ByID(ctx, c.Shop)
		if fault.Is(err, fault.KindNotFound) {
			continue // an unfinished sign-up
		}
		if err != nil {
			return nil, err
		}
		all, err := event.ListParked(ctx, room)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			p.Payload = asJSON(p.Payload)
			out = append(out, api.ParkedEvent{Shop: room.Slug(), Parked: p})
		}
	}
	return out, nil
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
func (a *App) Unpark(ctx context.Context, slug string, at api.ParkedKey, drop bool) (int64, error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return 0, err
	}
	if drop {
		return a.bus.Drop(ctx, room, at.Subscriber, at.Key)
	}
	n, err := a.bus.Replay(ctx, room, at.Subscriber, at.Key)
	if err != nil {
		return 0, fault.Conflict("still-failing", "It failed again, after %d events were handled: %v", n, err)
	}
	return int64(n), nil
}
