package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
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
	each := []error{failed.Unwrap()}
	if all, joined := each[0].(interface{ Unwrap() []error }); joined {
		each = all.Unwrap()
	}
	var whys, told []string
	for _, one := range each {
		host, why := whoAndWhy(failed.Config, one)
		if !slices.Contains(whys, why) {
			whys = append(whys, why)
		}
		if text := host + ": " + why; !slices.Contains(told, text) {
			told = append(told, text)
		}
	}
	if len(whys) > 1 {
		return &connectError{"connect to PostgreSQL: " + strings.Join(told, "; "), err}
	}
	return &connectError{fmt.Sprintf("connect to PostgreSQL at %s: %s", hosts(failed.Config), whys[0]), err}
}

// whoAndWhy says of one server that was tried why it could not be used.
func whoAndWhy(c *pgconn.Config, err error) (host, why string) {
	text := strings.Join(strings.Fields(err.Error()), " ")
	host = c.Host
	var dns *net.DNSError
	if address, rest, ok := strings.Cut(text, " ("); ok { // address (host): why
		if at, after, ok := strings.Cut(rest, "): "); ok {
			host, text = at, after
			if _, port, err := net.SplitHostPort(address); err == nil {
				host = net.JoinHostPort(at, port)
			}
		}
	} else if errors.As(err, &dns) {
		host = dns.Name
	}
	var pg *pgconn.PgError
	var netErr net.Error
	switch {
	case errors.As(err, &pg) && (pg.Code == "28P01" || pg.Code == "28000"):
		return host, fmt.Sprintf("the server refuses the user %q: %s", c.User, pg.Message)
	case errors.As(err, &pg) && pg.Code == "3D000":
		return host, fmt.Sprintf("there is no database %q on the server", c.Database)
	case errors.As(err, &pg):
		return host, pg.Message
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return host, "the server takes no writes: it is a standby in recovery, or read-only. Name its primary, or several hosts"
	case errors.As(err, &netErr) && netErr.Timeout():
		return host, "the server does not answer"
	}
	return host, text
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
