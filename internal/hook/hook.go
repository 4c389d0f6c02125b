package hook

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/guard"
	"haat/internal/id"
	"haat/internal/shop"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the room's tables, on every shard.
var Schema = db.Schema("hook", schemaFiles)

// Topics lists what a webhook may be told of.
var Topics = []string{
	"order.placed", "order.accepted", "order.paid", "order.fulfilled", "order.cancelled",
	"product.saved", "product.deleted",
}

const (
	// Most is how many webhooks a shop may have.
	Most = 10
	// GiveUp is how long a webhook may take nothing before it is turned off.
	GiveUp = 72 * time.Hour
	// Kept is how long what became of a delivery can be looked at.
	Kept = 14 * 24 * time.Hour

	longestURL = 2000 // bytes
)

// State says whether a webhook is told anything.
type State string

const (
	On  State = "on"
	Off State = "off"
)

// Hook is a webhook as its merchant sees it.
type Hook struct {
	ID        id.Hook    `json:"id"`
	URL       string     `json:"url" example:"https://example.com/haat"`
	Topics    []string   `json:"topics" nullable:"false" doc:"What it is told of"`
	State     State      `json:"state" enum:"on,off"`
	Why       string     `json:"why,omitempty" doc:"Why we turned it off"`
	Failing   *time.Time `json:"failing_since,omitempty" doc:"Since when it has taken nothing"`
	Waiting   int64      `json:"waiting" doc:"Deliveries that it has not taken yet"`
	CreatedAt time.Time  `json:"created_at"`

	secret []byte
}

var (
	hookColumns = `id, url, secret, topics, state, why, failing, created_at`
	allHooks    = db.Q(`SELECT ` + hookColumns + ` FROM hook WHERE shop = $1 ORDER BY id`)
	oneHook     = db.Q(`SELECT ` + hookColumns + ` FROM hook WHERE shop = $1 AND id = $2`)
	addHook     = db.Q(`INSERT INTO hook (shop, ` + hookColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	setHook     = db.Q(`UPDATE hook SET url = $3, topics = $4, state = $5, why = $6, failing = $7 WHERE shop = $1 AND id = $2`)
	dropHook    = db.Q(`DELETE FROM hook WHERE shop = $1 AND id = $2`)
	dropAll     = db.Q(`DELETE FROM hook_delivery WHERE shop = $1 AND hook = $2`)
	countWait   = db.Q(`SELECT hook, COUNT(*) FROM hook_delivery WHERE shop = $1 AND state = 'waiting' GROUP BY hook`)
)

// kept is a Hook as it is stored.
type kept struct {
	Hook
	topics  string
	failing time.Time
}

func (k *kept) scan() []any {
	return []any{&k.ID, &k.URL, &k.secret, &k.topics, &k.State, &k.Why, &k.failing, &k.CreatedAt}
}

func (k kept) hook() Hook {
	h := k.Hook
	h.Topics = strings.Fields(k.topics)
	if !k.failing.IsZero() {
		h.Failing = &k.failing
	}
	return h
}

// read gives the shop's webhooks, oldest first.
func read(ctx context.Context, r db.Reader) ([]Hook, error) {
	rows, err := db.All(ctx, r, allHooks, (*kept).scan)
	if err != nil || len(rows) == 0 {
		return []Hook{}, err
	}
	type count struct {
		hook id.Hook
		n    int64
	}
	waiting, err := db.All(ctx, r, countWait, func(c *count) []any { return []any{&c.hook, &c.n} })
	out := make([]Hook, len(rows))
	for i, k := range rows {
		out[i] = k.hook()
		for _, c := range waiting {
			if c.hook == k.ID {
				out[i].Waiting = c.n
			}
		}
	}
	return out, err
}

func one(ctx context.Context, r db.Reader, text string) (Hook, error) {
	var hook id.Hook
	if err := hook.UnmarshalText([]byte(text)); err != nil || hook.Zero() {
		return Hook{}, noHook()
	}
	return load(ctx, r, hook)
}

func load(ctx context.Context, r db.Reader, hook id.Hook) (Hook, error) {
	k, found, err := db.One(ctx, r, oneHook, (*kept).scan, hook)
	if err == nil && !found {
		err = noHook()
	}
	return k.hook(), err
}

func noHook() error { return fault.NotFound("There is no such webhook.") }

// store writes what may change of a webhook, and what the shop's webhooks want
// now.
func store(ctx context.Context, tx *db.Tx, h Hook) error {
	var failing time.Time
	if h.Failing != nil {
		failing = *h.Failing
	}
	if _, err := tx.Exec(ctx, setHook, h.ID, h.URL, strings.Join(h.Topics, " "), h.State, h.Why, failing); err != nil {
		return fmt.Errorf("write a webhook: %w", err)
	}
	return want(ctx, tx)
}

// want keeps in the settings which topics are wanted, so that an event that
// nobody wants costs no statement.
func want(ctx context.Context, tx *db.Tx) error {
	s, err := shop.ToChange(ctx, tx)
	if err != nil {
		return err
	}
	hooks, err := db.All(ctx, tx, allHooks, (*kept).scan)
	if err != nil {
		return err
	}
	var topics []string
	for _, h := range hooks {
		if h.State == On {
			topics = append(topics, strings.Fields(h.topics)...)
		}
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	if slices.Equal(s.Hooks, topics) {
		return nil
	}
	s.Hooks = topics
	return shop.Write(ctx, tx, s)
}

// checkTopics gives the topics in our order, each once.
func checkTopics(topics []string) ([]string, error) {
	for i, t := range topics {
		if !slices.Contains(Topics, t) {
			return nil, fault.Invalid("/topics/"+strconv.Itoa(i), "There is no topic %q. There are %s.", t, strings.Join(Topics, ", "))
		}
	}
	out := slices.DeleteFunc(slices.Clone(Topics), func(t string) bool { return !slices.Contains(topics, t) })
	if len(out) == 0 {
		return nil, fault.Invalid("/topics", "Choose at least one topic.")
	}
	return out, nil
}

// checkURL refuses what can be seen to be no address on the public internet.
// Where its name leads is looked at each time it is called.
func checkURL(text string) (string, error) {
	bad := func(format string, args ...any) (string, error) { return "", fault.Invalid("/url", format, args...) }
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	switch {
	case text == "":
		return bad("Give the address that is to be called.")
	case len(text) > longestURL:
		return bad("An address has at most %d characters.", longestURL)
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return bad("Give an address that begins with https://.")
	case u.User != nil:
		return bad("Leave the name and password out of the address: they would be seen by all who can see this page.")
	case u.Fragment != "":
		return bad("Leave out what follows the #: it is never sent.")
	}
	if p, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || p != 443 && (p < 1024 || p > 65535)) {
		return bad("Port %s is not one that is called: 443, or from 1024 on.", u.Port())
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if a, err := netip.ParseAddr(host); err == nil && !guard.Public(a) || host == "localhost" || strings.HasSuffix(host, ".localhost") || !strings.Contains(host, ".") && err != nil {
		return bad("%s is inside a private network: it cannot be reached from here.", host)
	}
	return u.String(), nil
}

// newSecret makes the key that deliveries are signed with.
func newSecret() []byte {
	b := make([]byte, 24)
	rand.Read(b)
	return b
}

// secretText is a key as Standard Webhooks writes it.
func secretText(key []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(key) }

// Queued says that a delivery waits.
type Queued struct {
	Hook id.Hook `json:"hook"`
	Line string  `json:"topic"` // deliveries of one topic go one after the other
}

func (Queued) Topic() string { return "hook.queued" }

// Key is the webhook and the topic.
func (q Queued) Key() string { return q.Hook.String() + " " + q.Line }

// Tags are none.
func (Queued) Tags() []string { return nil }

// TurnedOff says that a webhook was turned off, since it took nothing.
type TurnedOff struct {
	Hook id.Hook   `json:"hook"`
	URL  string    `json:"url"`
	Why  string    `json:"why"`
	At   time.Time `json:"at"`
}

func (TurnedOff) Topic() string { return "hook.turned-off" }

// Key is the webhook.
func (e TurnedOff) Key() string { return e.Hook.String() }

// Tags are none.
func (TurnedOff) Tags() []string { return nil }
