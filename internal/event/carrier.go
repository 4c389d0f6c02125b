package event

import "context"

// Carrier brings events from the outboxes of shards to a [Bus]. Whoever holds
// the lease of a shard's events serves the shard; whoever delivers runs it.
type Carrier interface {
	// Serve carries a shard's events, at an epoch of its lease, until ctx ends.
	Serve(ctx context.Context, shard string, epoch int64)
	// Run has this process deliver its share of what was carried, until ctx ends.
	Run(ctx context.Context)
	// Watch looks, beside Run, whether what was carried is delivered, until ctx ends.
	Watch(ctx context.Context)
}

// Local is the carrier of a single process: whoever serves a shard delivers its
// events, straight from the outbox.
type Local struct{ Bus *Bus }

// Serve implements Carrier.
func (l Local) Serve(ctx context.Context, shard string, epoch int64) {
	l.Bus.Take(shard, epoch)
	<-ctx.Done()
	l.Bus.Yield(shard)
}

// Run implements Carrier.
func (Local) Run(ctx context.Context) { <-ctx.Done() }

// Watch implements Carrier. What waits on the bus, Backlog tells.
func (Local) Watch(ctx context.Context) { <-ctx.Done() }
