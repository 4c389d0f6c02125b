// Package op turns one declaration of an operation into all its faces: the API
// route with its OpenAPI schema, the permission check, the idempotency key,
// the audit row and the metric label.
//
// A room declares its operations as package variables and lists them:
//
//	var SetPrice = op.Write[PriceChange, Price]{
//		Name: "catalog.set-price", Route: "PUT /variants/{variant}/price",
//		Role: op.Merchant, Run: setPrice,
//	}
//
// In is a struct as huma reads it: fields tagged path, query or header, and a
// field Body for the JSON body. An In that embeds [By] is told who is asking;
// one that embeds [Page] is a list's. Pages call the same declaration with Do,
// which checks and records the same things.
package op

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/guard"
	"haat/internal/id"
)

// Role says who may call an operation, and on which host it is found.
type Role uint8

const (
	Public   Role = iota + 1 // anyone, on the platform's host
	Shopper                  // anyone, on the shop's own host
	Account                  // anyone signed in, on the platform's host
	Merchant                 // the shop's people, on the platform's host under /shops/{slug}
)

func (r Role) String() string {
	return [...]string{"", "public", "shopper", "account", "merchant"}[r]
}

// Caller is who is asking.
type Caller struct {
	Account id.Account // zero for shoppers
	Shop    id.Shop    // the shop whose people the account belongs to; zero if none was asked for
	Session string     // the shopper's or account's session; empty if none
	IP      string
	Key     string // Idempotency-Key; empty if none
}

func (c Caller) scope() string {
	switch {
	case !c.Account.Zero():
		return "a:" + c.Account.String()
	case c.Session != "":
		return "s:" + c.Session
	}
	return ""
}

// By is embedded in an In that wants to know its caller.
type By struct {
	Caller Caller `json:"-" hidden:"true"`
	hash   []byte
}

func (b *By) setCaller(c Caller, hash []byte) { b.Caller, b.hash = c, hash }

type bySetter interface{ setCaller(Caller, []byte) }

// Page is embedded in a list's In.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" default:"50" doc:"How many items to give, 250 at most; larger is capped"`
	Cursor string `query:"cursor" maxLength:"500" doc:"The value of next from the page before"`
}

// Size is the number of items to give: 50 unless asked, 250 at most.
func (p Page) Size() int {
	if p.Limit < 1 {
		return 50
	}
	return min(p.Limit, 250)
}

// After reads the cursor into parts, which Next wrote; false on the first page.
func (p Page) After(parts ...any) (bool, error) {
	if p.Cursor == "" {
		return false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil {
		err = json.Unmarshal(b, &parts)
	}
	if err != nil {
		return false, fault.Invalid("/cursor", "This cursor is not one that we gave.")
	}
	return true, nil
}

// Next writes a cursor that After reads.
func Next(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(fmt.Sprintf("op: a cursor of %v: %v", parts, err))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// List is a list's Out.
type List[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next" nullable:"true" doc:"The cursor of the next page; null on the last"`
}

// MarshalJSON writes null for no next page: a client that sends an empty
// cursor would begin again.
func (l List[T]) MarshalJSON() ([]byte, error) {
	out := struct {
		Items []T     `json:"items"`
		Next  *string `json:"next"`
	}{Items: l.Items}
	if out.Items == nil {
		out.Items = []T{}
	}
	if l.Next != "" {
		out.Next = &l.Next
	}
	return json.Marshal(out)
}

// Paged makes a List of rows read with a limit of size+1.
func Paged[T any](rows []T, size int, next func(last T) string) List[T] {
	if len(rows) <= size {
		if rows == nil {
			rows = []T{}
		}
		return List[T]{Items: rows}
	}
	rows = rows[:size]
	return List[T]{Items: rows, Next: next(rows[size-1])}
}

// Slice makes a List of what was read as a whole, being never much: one page
// of it. Its cursor is a position.
func Slice[T any](all []T, p Page) (List[T], error) {
	var from int
	if _, err := p.After(&from); err != nil {
		return List[T]{}, err
	}
	from = max(0, min(from, len(all)))
	return Paged(all[from:], p.Size(), func(T) string { return Next(from + p.Size()) }), nil
}

// Empty is the In or Out of an operation that takes or gives nothing.
type Empty struct{}

// Read is an operation that only reads one shop.
type Read[In, Out any] struct {
	Name, Route, Summary string
	Role                 Role
	// Fresh is how fresh the read is unless the caller says. Without one it is
	// what the process knows of for shoppers, and the newest for the shop's
	// people, who look at what they have just saved, perhaps through another.
	Fresh fleet.Fresh
	Run   func(context.Context, db.Reader, In) (Out, error)
}

// Do runs the operation for a page.
func (o *Read[In, Out]) Do(ctx context.Context, room *fleet.Room, by Caller, in In) (Out, error) {
	out, _, err := o.at(ctx, room, by, o.fresh(), in)
	return out, err
}

func (o *Read[In, Out]) fresh() fleet.Fresh {
	if o.Role == Merchant && o.Fresh.Zero() {
		return fleet.Newest
	}
	return o.Fresh
}

func (o *Read[In, Out]) at(ctx context.Context, room *fleet.Room, by Caller, fresh fleet.Fresh, in In) (out Out, served fleet.Served, err error) {
	if err := permit(o.Role, room, by); err != nil {
		return out, served, err
	}
	introduce(&in, by, o.Name)
	served, err = room.Read(ctx, fresh, func(r db.Reader) error {
		out, err = o.Run(ctx, r, in)
		return err
	})
	return out, served, err
}

// Write is an operation that is one change of one shop.
type Write[In, Out any] struct {
	Name, Route, Summary string
	Role                 Role
	Created              bool // answer 201
	Order                bool // somebody buys: it goes before other writes
	Run                  func(context.Context, *db.Tx, In) (Out, error)
	// Early may refuse what cannot succeed as things stand. It is asked while
	// many changes of the shop are under way, so that what is in vain, as when
	// thousands want the last ten, does not wait in their line and lengthen it.
	Early func(context.Context, db.Reader, In) error
}

// crowded is how many changes of a shop are under way when Early is asked.
const crowded = 16

// Do runs the operation for a page. Under an Idempotency-Key already answered
// it gives that answer again.
func (o *Write[In, Out]) Do(ctx context.Context, room *fleet.Room, by Caller, in In) (Out, error) {
	out, _, err := o.do(ctx, room, by, in)
	return out, err
}

func (o *Write[In, Out]) do(ctx context.Context, room *fleet.Room, by Caller, in In) (out Out, mark db.Mark, err error) {
	if err := permit(o.Role, room, by); err != nil {
		return out, mark, err
	}
	text, hash := introduce(&in, by, o.Name)
	if o.Early != nil && room.Writing() >= crowded {
		if err := o.early(ctx, room, by, in); err != nil {
			return out, mark, err
		}
	}
	if o.Order {
		ctx = guard.Ordering(ctx)
	}
	mark, err = change(ctx, room, by, func(tx *db.Tx) error {
		out, err = once(ctx, tx, by, hash, func() (Out, error) {
			if err := audit(ctx, tx, o.Role, o.Name, by, text); err != nil {
				var none Out
				return none, err
			}
			return o.Run(ctx, tx, in)
		})
		return err
	})
	return out, mark, err
}

// early asks Early, unless the caller's Idempotency-Key was answered: that
// answer still holds.
func (o *Write[In, Out]) early(ctx context.Context, room *fleet.Room, by Caller, in In) error {
	return room.View(ctx, fleet.Newest, func(r db.Reader) error {
		if by.Key != "" {
			_, found, err := db.One(ctx, r, readAnswer, scanAnswer, by.scope(), by.Key, r.Now().Add(-KeepFor))
			if err != nil || found {
				return err
			}
		}
		return o.Early(ctx, r, in)
	})
}

// Flow is an operation of one shop that may leave the building: several
// changes, and calls to others between them.
type Flow[In, Out any] struct {
	Name, Route, Summary string
	Role                 Role
	Created              bool // answer 201
	Accepted             bool // answer 202
	Run                  func(context.Context, *fleet.Room, In) (Out, error)
}

// Do runs the operation for a page. A flow keeps its answer itself, with
// [Once] in the change that commits its outcome.
func (o *Flow[In, Out]) Do(ctx context.Context, room *fleet.Room, by Caller, in In) (out Out, err error) {
	if err := permit(o.Role, room, by); err != nil {
		return out, err
	}
	text, _ := introduce(&in, by, o.Name)
	if o.Role == Merchant {
		_, err := room.Change(ctx, func(tx *db.Tx) error { return audit(ctx, tx, o.Role, o.Name, by, text) })
		if err != nil {
			return out, err
		}
	}
	return o.Run(ctx, room, in)
}

// Platform is an operation that belongs to no shop. Its Run is bound to what
// it needs when the program is wired.
type Platform[In, Out any] struct {
	Name, Route, Summary string
	Role                 Role // Public or Account
	Status               int  // 0 means 200
	Run                  func(context.Context, In) (Out, error)
}

// Do runs the operation for a page.
func (o *Platform[In, Out]) Do(ctx context.Context, by Caller, in In) (out Out, err error) {
	if o.Role == Account && by.Account.Zero() {
		return out, errSignIn
	}
	introduce(&in, by, o.Name)
	return o.Run(ctx, in)
}

var errSignIn = fault.Anonymous("Sign in first.")

func permit(role Role, room *fleet.Room, by Caller) error {
	switch {
	case role != Merchant:
		return nil
	case by.Account.Zero():
		return errSignIn
	case by.Shop != room.Shop():
		return fault.NotFound("There is no such shop.")
	}
	return nil
}

// introduce tells an In its caller, and gives its text and the hash that an
// Idempotency-Key is compared by.
func introduce[In any](in *In, by Caller, name string) (text string, hash []byte) {
	b, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("op: the input of %s: %v", name, err))
	}
	hash = digest(name, b)
	if s, ok := any(in).(bySetter); ok {
		s.setCaller(by, hash)
	}
	return strings.ToValidUTF8(string(b[:min(len(b), 2000)]), ""), hash
}
