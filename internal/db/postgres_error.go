package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"haat/internal/fault"
)

// ErrDoubt says that nobody knows whether a change stands: its COMMIT was
// sent, and the answer was lost. It was not run again.
var ErrDoubt = errors.New("the answer to COMMIT was lost: nobody knows whether the change stands")

// pgError gives an engine's error the platform's meaning.
func pgError(err error) error {
	var e *pgconn.PgError
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case "HA001":
		return fmt.Errorf("%w: %w", ErrMoved, err)
	case "HA002":
		return fmt.Errorf("%w: %w", ErrPromoted, err)
	case "HA005":
		return fmt.Errorf("%w: %w", errEarlier, err)
	case "HA003":
		return fmt.Errorf("%w: %w", errFenced, err)
	case "HA004":
		return fmt.Errorf("%w: %w", ErrClaim, err)
	case "23505":
		return fmt.Errorf("%w: %w", ErrUnique, err)
	case "23514", "23502":
		return fmt.Errorf("%w: %w", ErrCheck, err)
	case "53100":
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// passes reports whether what kept us from connecting may be over soon: a
// server that restarts, or a standby that is about to be promoted.
func passes(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "57P01", "57P02", "57P03": // it stops, crashed, starts
			return true
		}
		return errors.Is(err, pgconn.ErrReadOnlyConnection)
	}
	return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// noConnection is what a caller is told who got no connection in time.
func noConnection(err error) error {
	return fault.Busy(time.Second, "The database is busy or does not answer. Try again in a moment.").With("database-busy").Because(cannotConnect(err))
}

// cannotConnect says on one line why a server could not be used.
func cannotConnect(err error) error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	why := ""
	var pg *pgconn.PgError
	var netErr net.Error
	switch c := failed.Config; {
	case errors.As(err, &pg) && (pg.Code == "28P01" || pg.Code == "28000"):
		why = fmt.Sprintf("the server refuses the user %q: %s", c.User, pg.Message)
	case errors.As(err, &pg) && pg.Code == "3D000":
		why = fmt.Sprintf("there is no database %q on the server", c.Database)
	case errors.As(err, &pg):
		why = pg.Message
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		why = "the server takes no writes: it is a standby in recovery, or read-only. Name its primary, or several hosts"
	case errors.As(err, &netErr) && netErr.Timeout():
		why = "the server does not answer"
	default:
		why = strings.Join(strings.Fields(failed.Unwrap().Error()), " ")
	}
	return &connectError{fmt.Sprintf("connect to PostgreSQL at %s: %s", hosts(failed.Config), why), err}
}

// hosts lists the hosts that a DSN names.
func hosts(c *pgconn.Config) string {
	at := []string{c.Host}
	for _, f := range c.Fallbacks {
		if f.Host != at[len(at)-1] {
			at = append(at, f.Host)
		}
	}
	return strings.Join(at, ", ")
}

// connectError has one line of its own, instead of the driver's several.
type connectError struct {
	text  string
	cause error
}

func (e *connectError) Error() string { return e.text }
func (e *connectError) Unwrap() error { return e.cause }
