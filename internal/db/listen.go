package db

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"haat/internal/id"
)

// channel is what processes that share a PostgreSQL database call each other
// on.
const channel = "haat_news"

// mostNamed is how many shops one call names: a payload has 8,000 bytes.
const mostNamed = 400

var recent = Across(`SELECT shop, seq FROM shop_clock WHERE news AND shop > $1 ORDER BY shop LIMIT $2`)

// Recent gives the shops of News, each with the number of its newest event.
func (s *Shard) Recent(ctx context.Context, after id.Shop, limit int) ([]Count, error) {
	return s.Across(ctx, recent, after, limit)
}

// Shared reports whether other processes may write to this database too. An
// embedded one is written by its own process alone.
func (s *Shard) Shared() bool { return s.e.name() == "postgres" }

// Call tells the other processes that use this database of shops with news,
// once they listen; without any it greets them. It is quick and may be lost: the
// outbox is what counts.
func (s *Shard) Call(ctx context.Context, from string, shops []id.Shop) error {
	e, ok := s.e.(*postgres)
	if !ok {
		return nil
	}
	for first := true; first || len(shops) > 0; first = false {
		n := min(len(shops), mostNamed)
		text := from
		for _, s := range shops[:n] {
			text += " " + s.String()
		}
		if _, err := e.pool.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, text); err != nil {
			return err
		}
		shops = shops[n:]
	}
	return nil
}

// Listen calls heard with the shops that others have called, or with none when
// they greet, on a connection of its own, until ctx ends or the connection
// breaks. ready is called once it listens. On an embedded database, where nobody calls, it waits for ctx.
func (s *Shard) Listen(ctx context.Context, self string, ready func(), heard func([]id.Shop)) error {
	e, ok := s.e.(*postgres)
	if !ok {
		<-ctx.Done()
		return ctx.Err()
	}
	cfg := e.pool.Config().ConnConfig
	if err := e.terms.lead(ctx, cfg); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return cannotConnect(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	ready()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		from, names, _ := strings.Cut(n.Payload, " ")
		if from == self {
			continue
		}
		var shops []id.Shop
		for name := range strings.FieldsSeq(names) {
			if shop, err := id.ParseShop(name); err == nil {
				shops = append(shops, shop)
			}
		}
		heard(shops)
	}
}

var clock = stmt{
	sqlite:   `SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)`,
	postgres: `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`,
}

// Clock gives the database's own time, in microseconds: what processes whose
// clocks differ agree by.
func (t *ControlTx) Clock(ctx context.Context) (now int64, err error) {
	err = each(ctx, t.s, &clock, func(n *int64) []any { return []any{n} }, func(n int64) error { now = n; return nil }, nil)
	return now, err
}
