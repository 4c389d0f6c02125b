package fleettest

import (
	"fmt"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/db/dbtest"
	"haat/internal/fleet"
)

// Cluster is a fleet whose only shard, s1, is a PostgreSQL primary with
// streaming replicas r1, r2 and so on, all in rotation.
type Cluster struct {
	*fleet.Fleet
	Primary  *dbtest.Server
	Replicas []*dbtest.Server
}

// NewCluster starts one. at may give a server, by name, another address than
// its own; the primary's name is fleet.Primary.
func NewCluster(t testing.TB, replicas int, schemas, control []*db.SchemaSet, at func(name, dsn string) string) *Cluster {
	t.Helper()
	dir := t.TempDir()
	c := &Cluster{Primary: dbtest.NewServer(t)}
	if at == nil {
		at = func(_, dsn string) string { return dsn }
	}
	c.Fleet = OpenFleet(t, dir, dir+"/control.db", at(fleet.Primary, c.Primary.DSN()), schemas, control)
	for i := range replicas {
		c.Replicas = append(c.Replicas, c.Primary.Replica())
		name := fmt.Sprintf("r%d", i+1)
		c.List(t, name, at(name, c.Replicas[i].DSN()))
	}
	c.Await(t, "every replica serves", func() bool { return c.Serving() == replicas })
	return c
}

var listReplica = db.C(`INSERT INTO shard_replica (shard, name, dsn) VALUES ('s1', $1, $2)`)

// List enters a replica into the control database and has the fleet look.
func (c *Cluster) List(t testing.TB, name, dsn string) {
	t.Helper()
	err := c.Control().Change(t.Context(), func(tx *db.ControlTx) error {
		_, err := tx.Exec(t.Context(), listReplica, name, dsn)
		return err
	})
	if err == nil {
		err = c.Reload(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Health gives a replica's; that of no replica is zero.
func (c *Cluster) Health(name string) fleet.ReplicaHealth {
	for _, h := range c.Fleet.Replicas() {
		if h.Name == name {
			return h
		}
	}
	return fleet.ReplicaHealth{}
}

// Serving counts the replicas in rotation.
func (c *Cluster) Serving() (n int) {
	for _, h := range c.Fleet.Replicas() {
		if h.State == fleet.ReplicaServing {
			n++
		}
	}
	return n
}

// Await waits until something is so, for a minute at most.
func (c *Cluster) Await(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); !is(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it is never so that %s: %+v", what, c.Fleet.Replicas())
		}
	}
}
