package op

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema keeps answers and the audit, on every shard.
var Schema = db.Schema("op", schemaFiles)

// ControlSchema keeps the answers of operations that belong to no shop.
var ControlSchema = db.Schema("op", schemaFiles)

// KeepFor is how long an answer is given again.
const KeepFor = 24 * time.Hour

var (
	readAnswer  = db.Q(`SELECT hash, answer FROM op_answer WHERE shop = $1 AND caller = $2 AND key = $3 AND at > $4`)
	writeAnswer = db.Q(`
		INSERT INTO op_answer (shop, caller, key, at, hash, answer) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (shop, caller, key) DO UPDATE SET at = excluded.at, hash = excluded.hash, answer = excluded.answer
		WHERE op_answer.at <= $7`)
	// dropAnswers drops some of those that are no longer given, more than one
	// write adds, so that no write pays for a whole day's.
	dropAnswers = db.Q(`
		DELETE FROM op_answer WHERE shop = $1 AND (caller, key) IN (
			SELECT caller, key FROM op_answer WHERE shop = $1 AND at <= $2 ORDER BY at LIMIT 20)`)
	writeAudit = db.Q(`INSERT INTO op_audit (shop, id, at, operation, account, input) VALUES ($1, $2, $3, $4, $5, $6)`)
	readAudit  = db.Q(`SELECT id, at, operation, account, input FROM op_audit WHERE shop = $1 ORDER BY id DESC LIMIT $2`)

	readControlAnswer  = db.C(`SELECT hash, answer FROM op_answer WHERE shop = 0 AND caller = $1 AND key = $2 AND at > $3`)
	writeControlAnswer = db.C(`
		INSERT INTO op_answer (shop, caller, key, at, hash, answer) VALUES (0, $1, $2, $3, $4, $5)
		ON CONFLICT (shop, caller, key) DO UPDATE SET at = excluded.at, hash = excluded.hash, answer = excluded.answer
		WHERE op_answer.at <= $6`)
	dropControlAnswers = db.C(`
		DELETE FROM op_answer WHERE shop = 0 AND (caller, key) IN (
			SELECT caller, key FROM op_answer WHERE shop = 0 AND at <= $1 ORDER BY at LIMIT 20)`)
)

type answer struct{ hash, body []byte }

func scanAnswer(a *answer) []any { return []any{&a.hash, &a.body} }

func digest(name string, body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum(nil)
}

func replay[Out any](a answer, hash []byte) (out Out, err error) {
	if subtle.ConstantTimeCompare(a.hash, hash) != 1 {
		return out, fault.Conflict("idempotency-key-reused", "This Idempotency-Key was used for another request.")
	}
	return out, json.Unmarshal(a.body, &out)
}

// once runs fn unless the caller's Idempotency-Key was answered within a day,
// and keeps the answer in the transaction of its effect. A failed fn keeps
// nothing.
func once[Out any](ctx context.Context, tx *db.Tx, by Caller, hash []byte, fn func() (Out, error)) (out Out, err error) {
	if by.Key == "" {
		return fn()
	}
	a, found, err := db.One(ctx, tx, readAnswer, scanAnswer, by.scope(), by.Key, tx.Now().Add(-KeepFor))
	if err != nil {
		return out, err
	}
	if found {
		return replay[Out](a, hash)
	}
	if _, err := tx.Exec(ctx, dropAnswers, tx.Now().Add(-KeepFor)); err != nil {
		return out, err
	}
	if out, err = fn(); err != nil {
		return out, err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return out, fmt.Errorf("keep the answer: %w", err)
	}
	n, err := tx.Exec(ctx, writeAnswer, by.scope(), by.Key, tx.Now(), hash, body, tx.Now().Add(-KeepFor))
	if err == nil && n == 0 {
		err = errRacing
	}
	return out, err
}

// errRacing says that another request with the same key was answered while
// this one ran: everything is rolled back, and the other's answer read.
var errRacing = errors.New("the Idempotency-Key was answered meanwhile")

func change(ctx context.Context, room *fleet.Room, by Caller, fn func(*db.Tx) error) (db.Mark, error) {
	mark, err := room.Change(ctx, fn)
	if by.Key != "" && (errors.Is(err, errRacing) || fault.Is(err, fault.KindConflict)) {
		// Another request with this key may have been what stood in the way.
		mark, err = room.Change(ctx, fn)
	}
	return mark, err
}

// Once is for a Flow: it makes the change that commits the flow's outcome,
// unless the caller's Idempotency-Key was answered, whose answer it gives.
func Once[Out any](ctx context.Context, room *fleet.Room, by By, fn func(*db.Tx) (Out, error)) (out Out, err error) {
	_, err = change(ctx, room, by.Caller, func(tx *db.Tx) error {
		out, err = once(ctx, tx, by.Caller, by.hash, func() (Out, error) { return fn(tx) })
		return err
	})
	return out, err
}

// Audit records what a merchant did by an operation that reads its body
// itself; others are recorded by their declaration.
func Audit(ctx context.Context, tx *db.Tx, name string, by Caller, input string) error {
	return audit(ctx, tx, Merchant, name, by, input)
}

// Answered gives the answer kept under the caller's Idempotency-Key, before a
// flow does anything that cannot be taken back; false if there is none.
func Answered[Out any](ctx context.Context, r db.Reader, by By) (out Out, found bool, err error) {
	if by.Caller.Key == "" {
		return out, false, nil
	}
	a, found, err := db.One(ctx, r, readAnswer, scanAnswer, by.Caller.scope(), by.Caller.Key, r.Now().Add(-KeepFor))
	if err != nil || !found {
		return out, false, err
	}
	out, err = replay[Out](a, by.hash)
	return out, true, err
}

// AnsweredControl is Answered for operations that belong to no shop.
func AnsweredControl[Out any](ctx context.Context, t *db.ControlTx, by By) (out Out, found bool, err error) {
	if by.Caller.Key == "" {
		return out, false, nil
	}
	a, found, err := db.ControlOne(ctx, t, readControlAnswer, scanAnswer, by.Caller.scope(), by.Caller.Key, t.Now().Add(-KeepFor))
	if err != nil || !found {
		return out, false, err
	}
	out, err = replay[Out](a, by.hash)
	return out, true, err
}

// KeepControl keeps an answer in the control transaction of its effect.
func KeepControl[Out any](ctx context.Context, t *db.ControlTx, by By, out Out) error {
	if by.Caller.Key == "" {
		return nil
	}
	if _, err := t.Exec(ctx, dropControlAnswers, t.Now().Add(-KeepFor)); err != nil {
		return err
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	n, err := t.Exec(ctx, writeControlAnswer, by.Caller.scope(), by.Caller.Key, t.Now(), by.hash, body, t.Now().Add(-KeepFor))
	if err == nil && n == 0 {
		err = errors.Join(errRacing, db.ErrUnique)
	}
	return err
}

func audit(ctx context.Context, tx *db.Tx, role Role, name string, by Caller, input string) error {
	if role != Merchant {
		return nil
	}
	_, err := tx.Exec(ctx, writeAudit, id.New[struct{}](), tx.Now(), name, by.Account, input)
	return err
}

// Activity is a row of a shop's activity log.
type Activity struct {
	ID        id.Entry   `json:"id"`
	At        time.Time  `json:"at"`
	Operation string     `json:"operation"`
	Account   id.Account `json:"account"`
	Input     string     `json:"input"`
}

// ReadActivity gives the newest rows of the activity log.
func ReadActivity(ctx context.Context, r db.Reader, limit int) ([]Activity, error) {
	return db.All(ctx, r, readAudit, func(a *Activity) []any {
		return []any{&a.ID, &a.At, &a.Operation, &a.Account, &a.Input}
	}, limit)
}

// Content makes the By of an operation whose input is a file: the file's
// digest is what an Idempotency-Key is compared by.
func Content(c Caller, name string, sum []byte) By { return By{Caller: c, hash: digest(name, sum)} }
