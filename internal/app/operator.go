package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"haat/internal/api"
	"haat/internal/catalog"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/insight"
	"haat/internal/meter"
	"haat/internal/op"
	"haat/internal/order"
)

// App is the operator's hands, for the ops listener and for commands that
// have the data folder to themselves.
var _ api.Operator = (*App)(nil)

// Shops implements api.Operator.
func (a *App) Shops(ctx context.Context, search, cursor string, limit int) ([]api.ShopSummary, string, error) {
	var before id.Shop
	if cursor != "" {
		var err error
		if before, err = id.ParseShop(cursor); err != nil {
			return nil, "", fault.Invalid("/cursor", "This cursor is not one that we gave.")
		}
	}
	entries, err := a.fleet.List(ctx, before, search, limit+1)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(entries) > limit {
		entries = entries[:limit]
		next = entries[limit-1].Shop.String()
	}
	out := make([]api.ShopSummary, 0, len(entries))
	for _, e := range entries {
		s, err := a.summary(ctx, e)
		if err != nil {
			return nil, "", err
		}
		out = append(out, s)
	}
	return out, next, nil
}

// Shop implements api.Operator.
func (a *App) Shop(ctx context.Context, slug string) (api.ShopSummary, error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return api.ShopSummary{}, err
	}
	return a.summary(ctx, room.Entry())
}

func (a *App) summary(ctx context.Context, e fleet.Entry) (s api.ShopSummary, err error) {
	s = api.ShopSummary{
		ID: e.Shop.String(), Slug: e.Slug, Name: e.Name, URL: a.cfg.ShopURL(e.Slug), Shard: e.Shard, State: e.State, Created: e.Created,
	}
	room, err := a.fleet.ByID(ctx, e.Shop)
	if err != nil {
		return s, err
	}
	size, err := room.Size(ctx)
	if err != nil {
		return s, fmt.Errorf("read shop %s: %w", e.Slug, err)
	}
	s.Writes, s.Events = size.Writes, size.Events
	if s.Products, err = catalog.CountProducts(ctx, room); err != nil {
		return s, err
	}
	by := op.Caller{Account: id.Account{1}, Shop: e.Shop} // the operator looks in
	counts, err := order.CountOrders.Do(ctx, room, by, op.Empty{})
	if err != nil {
		return s, err
	}
	days, err := insight.Days.Do(ctx, room, by, insight.DaysIn{Days: 7})
	if err != nil {
		return s, err
	}
	s.Orders = counts.All
	for _, d := range days.Items {
		s.Week, s.Today = s.Week+d.Orders, d.Orders
	}
	if s.LastActive, err = event.LastAt(ctx, room); err != nil {
		return s, err
	}
	s.Stock = a.books.of(e.Shop)
	s.Parked, err = event.ParkedIn(ctx, room)
	return s, err
}

// SetState implements api.Operator.
func (a *App) SetState(ctx context.Context, slug, state string) error {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return err
	}
	if err := a.fleet.SetState(ctx, room.Shop(), state); err != nil {
		return err
	}
	a.log.Warn("the operator changed a shop's state", "shop", slug, "state", state)
	return nil
}

// Import implements api.Operator.
func (a *App) Import(ctx context.Context, slug string, file io.Reader, dryRun bool, progress func(api.ImportProgress)) (p api.ImportProgress, err error) {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return p, err
	}
	kept, err := a.importer.Keep(file)
	if err != nil {
		return p, err
	}
	defer kept.Drop()
	begun, err := a.importer.Start(ctx, room, op.Caller{}, kept, catalog.StartOptions{Format: "shopify", DryRun: dryRun, Name: "operator"})
	if err != nil {
		return p, err
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		run, err := catalog.ReadImport(ctx, room, begun.ID)
		if err != nil {
			return p, err
		}
		p = api.ImportProgress{
			ID: run.ID.String(), Status: string(run.Status), Rows: run.Rows, Done: run.RowsDone,
			Created: run.Products.Created, Updated: run.Products.Updated, Skipped: run.Products.Skipped, Errors: run.Errors, Failure: run.Failure,
		}
		for _, e := range run.RowErrors[:min(len(run.RowErrors), 20)] {
			p.Sample = append(p.Sample, api.ImportLineError{Line: e.Line, Column: e.Column, Message: e.Message})
		}
		if p.Status == "done" || p.Status == "failed" {
			return p, nil
		}
		progress(p)
		select {
		case <-ctx.Done():
			return p, ctx.Err()
		case <-tick.C:
		}
	}
}

// Export implements api.Operator.
func (a *App) Export(ctx context.Context, slug string, w io.Writer) error {
	room, err := a.fleet.BySlug(ctx, slug)
	if err != nil {
		return err
	}
	return a.importer.Export(ctx, room, w)
}

// Health implements api.Operator: every incident that is open, in the words of
// the register, and of what is well what was looked at.
func (a *App) Health(ctx context.Context) ([]api.Finding, error) {
	a.lookNow(ctx)
	var out []api.Finding
	names, subjects := map[string]bool{}, map[string]bool{}
	for _, i := range a.incidents.Open() {
		out = append(out, api.Finding{Name: i.Name, Subject: i.Subject, Severity: i.Severity, Detail: i.Detail, Means: i.Means, Next: i.Next, Shop: i.Shop, Since: &i.Since})
		names[i.Name], subjects[i.Subject] = true, true
	}
	well := func(name, detail string, incidents ...string) {
		for _, i := range incidents {
			if names[i] {
				return
			}
		}
		out = append(out, api.Finding{Name: name, OK: true, Detail: detail})
	}
	if n, err := a.fleet.Count(ctx); err == nil && !subjects["control database"] {
		well("control database", fmt.Sprintf("%d shops in the directory", n))
	}
	for name, s := range a.fleet.Shards {
		start := time.Now()
		if err := s.Check(ctx); err == nil && !subjects["shard "+name] {
			well("shard "+name, fmt.Sprintf("%s answers in %v", s.Engine(), time.Since(start).Round(time.Microsecond)))
		}
	}
	if replicas := a.replicasFinding(); replicas != "" {
		well("replicas", replicas, replicaLate, replicaUnreachable, replicaRefused)
	}
	if n, err := a.diskFree(); err == nil {
		well("disk", fmt.Sprintf("%d GiB free", n>>30), diskFull, diskNearlyFull)
	}
	if place, took, err := a.mediaAnswers(ctx); err == nil {
		well("pictures", fmt.Sprintf("%s answers in %v", place, took.Round(time.Microsecond)), mediaDown)
	}
	if who, err := a.fleetFinding(ctx); err == nil {
		well("processes", who, processLost, versionSkew)
	}
	if deaf := a.feed.Deaf(); deaf > 0 {
		out = append(out, api.Finding{Name: "commits of others", Severity: meter.Warning, Detail: fmt.Sprintf("They cannot be heard for %v.", deaf.Round(time.Second)),
			Means: "Kept pages are made anew each time, until it can be heard again what other processes commit.", Next: "Look whether the shards answer; it goes on by itself."})
	}
	well("stock", a.books.finding(), stockWrong, stockUnseen)
	well("parked events", "none", poisonEvent, parkingStopped)
	busy, _ := a.bus.Backlog()
	well("events", fmt.Sprintf("%d subscribers at work", busy), consumerStalled)
	if a.kafka != nil {
		well("topic of events", a.topicFinding(), relayStalled, partitionStuck, topicUnseen, topicUnfit)
	}
	well("age of pages", fmt.Sprintf("%d pages out of memory were compared with the databases, and %d were older than %v", a.sampler.Stats().Fresh.Load()+a.sampler.Stats().Stale.Load(), a.sampler.Stats().Beyond.Load(), a.sampler.Bound()), pagesStale)
	if a.second != nil {
		well("shared pages", a.secondFinding(), cacheLost)
	}
	well("background work", "all of it runs", jobFailing, orphanLeft, importStalled, moveStuck)
	well("messages", "no failure since the last that went out", deliveryFailing)
	well("backups", "the latest did not fail", backupFailing)
	return out, ctx.Err()
}
