package db

import "context"

const oneWriter = "SQLite has one writer: there everybody is alone"

var (
	lockAlone  = Q(``).Postgres(`SELECT pg_advisory_xact_lock(hashtextextended($2, $1))`, oneWriter)
	lockBeside = Q(``).Postgres(`SELECT pg_advisory_xact_lock_shared(hashtextextended($2, $1))`, oneWriter)
)

// Alone has this transaction wait until no other of the shop that named the
// same subject is under way, and keeps those that come waiting until it ends.
// It is for what is read, changed and written back whole: call it before
// reading, else of two who do so at once one is overwritten, although both
// were acknowledged. It costs no round trip. A transaction that needs several
// subjects names them in an order that all others keep, too.
func (t *Tx) Alone(ctx context.Context, subject string) error {
	return t.lock(ctx, lockAlone, subject)
}

// Beside is Alone for a transaction that only relies on what it reads of the
// subject: others that do so run beside it, those who change it do not.
func (t *Tx) Beside(ctx context.Context, subject string) error {
	return t.lock(ctx, lockBeside, subject)
}

func (t *Tx) lock(ctx context.Context, how *SQL, subject string) error {
	if !t.wrote {
		t.known = false // what was read of the document may be old by then
	}
	return t.Later(ctx, how, subject)
}
