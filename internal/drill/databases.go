package drill

import (
	"fmt"

	"haat/internal/db/cluster"
)

var postgres = need{"PostgreSQL", []string{"/usr/lib/postgresql/*/bin/initdb", "initdb"}, "postgresql"}

// database is one database of a PostgreSQL server, as haat is to be run.
type database struct {
	*cluster.Server
	name string
}

// newServer starts a PostgreSQL server.
func (r *run) newServer() (*cluster.Server, error) { return r.startServer(false) }

// startServer starts a PostgreSQL server, which is another than those before it
// also by its own account if own is true.
func (r *run) startServer(own bool) (*cluster.Server, error) {
	s, err := cluster.Start(own)
	if err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = s.Close() })
	return s, nil
}

func newDatabase(s *cluster.Server) (*database, error) {
	name, err := s.Create()
	return &database{s, name}, err
}

// dsn is the database's address; what is committed there is on the disk.
func (d *database) dsn() string { return d.DSN(d.name, "haat") + "&synchronous_commit=on" }

// sql runs a statement as a superuser, whom no wall between shops binds.
func (d *database) sql(text string, args ...any) (string, error) {
	return d.Ask(d.name, fmt.Sprintf(text, args...))
}

// fleet starts a server with a control database and a shard, and the flags with
// which processes serve them.
func (r *run) fleet() (shard *database, flags []string, err error) {
	s, err := r.newServer()
	if err != nil {
		return nil, nil, err
	}
	control, err := newDatabase(s)
	if err != nil {
		return nil, nil, err
	}
	r.control = control
	if shard, err = newDatabase(s); err != nil {
		return nil, nil, err
	}
	return shard, []string{"--control", control.dsn(), "--first-shard", shard.dsn()}, nil
}
