package app

import (
	"testing"

	"haat/internal/db/dbtest"
)

// The whole program with its control database and its shops on PostgreSQL.
func TestOnPostgres(t *testing.T) {
	s := open(t, func(c *Config) { c.Control, c.FirstShard = dbtest.Postgres(t), dbtest.Postgres(t) })
	x := s.shop("north")
	if got := s.app.fleet.ShardNames(); len(got) != 1 || got[0] != "s1" {
		t.Errorf("shards: %v", got)
	}
	s.get(x.host+"/", "").want(200)
}
