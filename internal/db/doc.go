// Package db runs statements on a shard, be it a SQLite file or a PostgreSQL
// database, and makes one shop's writes a line that can be followed.
//
// A [Shard] holds many shops. [Shard.View] gives a [Reader]: one shop, one
// snapshot, no writes. [Shard.Change] gives a [Tx]: one shop, all or nothing.
// Both bind $1 of every statement to the shop, so that a statement cannot
// forget whose rows it means; what a caller passes begins at $2. Above this
// package only fleet touches a Shard; the domain is handed Readers and Txs.
//
// Every change ends by ticking the shop's clock (shop_clock): n counts writes
// and seq counts emitted events, both without gaps and in commit order,
// because the row stays locked until commit. The same statement is the fence:
// it matches only while the shop is open here at the epoch the caller knows,
// and a change whose tick matches nothing is rolled back as [ErrMoved]. The
// [Mark] that Change returns (epoch, term, n) is a point on that clock.
//
// Statements are written once for both engines (see [Q]); time is integer
// microseconds, money integer minor units, and ids are made by us.
//
// A closure given to Change may be run more than once (a deadlock, a batch
// that was lost): it must do nothing but talk to its Tx and assign its
// results. It must not wait, hash, or call out, for on SQLite all changes of a
// shard share one writer, which commits many of them with one sync to disk.
package db
