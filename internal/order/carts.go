package order

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/id"
	"haat/internal/shop"
)

// item is so many of a variant, and where the request says so.
type item struct {
	variant  id.Variant
	quantity int64
	position int64
	pointer  string // the request's, such as "/lines/0"
}

func (i *item) scan() []any { return []any{&i.variant, &i.quantity, &i.position} }

// read turns the lines of a request into items, one for each variant. Least
// is the smallest quantity: 0 where that removes a line.
func read(lines []Wanted, least int64) ([]item, error) {
	if len(lines) > MaxLines {
		return nil, fault.Invalid("/lines", "A cart has %d lines at most.", MaxLines)
	}
	var f faults
	at := map[id.Variant]int{}
	var out []item
	for n, w := range lines {
		pointer := fmt.Sprintf("/lines/%d", n)
		parsed, err := id.Parse[struct{}](w.Variant)
		if err != nil {
			return nil, unknown(pointer)
		}
		v := id.Variant(parsed)
		if w.Quantity < least || w.Quantity > MaxQuantity {
			f.add(pointer+"/quantity", "A quantity is a number from %d to %d.", least, MaxQuantity)
			continue
		}
		if i, twice := at[v]; twice {
			if out[i].quantity += w.Quantity; out[i].quantity > MaxQuantity {
				f.add(pointer+"/quantity", "There can be %d of one thing at most.", MaxQuantity)
			}
			continue
		}
		at[v] = len(out)
		out = append(out, item{variant: v, quantity: w.Quantity, position: int64(n), pointer: pointer})
	}
	return out, f.err()
}

func unknown(pointer string) error {
	f := fault.NotFound("There is no such variant in this shop.")
	f.Field = pointer + "/variant_id"
	return f
}

func parseCart(text string) (id.Cart, error) {
	c, err := id.Parse[struct{}](text)
	if err != nil {
		return id.Cart{}, noCart()
	}
	return id.Cart(c), nil
}

func noCart() error { return fault.NotFound("There is no such cart, or it is too old.") }

// CartOrdered says that a cart has become an order already. It unwraps to
// fault.Conflict "cart-ordered".
type CartOrdered struct {
	Token string // of the order
	fault *fault.Fault
}

func (c *CartOrdered) Error() string { return c.fault.Error() }
func (c *CartOrdered) Unwrap() error { return c.fault }

func cartOrdered(token string) error {
	return &CartOrdered{token, fault.Conflict("cart-ordered", "This cart has been ordered already.")}
}

func newCart(ctx context.Context, tx *db.Tx, in NewCartIn) (Cart, error) {
	items, err := read(in.Body.Lines, 1)
	if err != nil {
		return Cart{}, err
	}
	goods, err := sellables(ctx, tx, items)
	if err != nil {
		return Cart{}, err
	}
	if err := mayEnter(items, goods); err != nil {
		return Cart{}, err
	}
	cart := id.Cart(id.New[struct{}]())
	if _, err := tx.Exec(ctx, insertCart, cart, tx.Now()); err != nil {
		return Cart{}, err
	}
	for _, i := range items {
		if _, err := tx.Exec(ctx, putLine, cart, i.variant, i.position, i.quantity); err != nil {
			return Cart{}, err
		}
	}
	return priced(ctx, tx, storedCart{id: cart, updated: tx.Now(), items: items}, goods)
}

// mayEnter refuses variants that are unknown or not on sale.
func mayEnter(items []item, goods map[id.Variant]catalog.Sellable) error {
	var f faults
	for _, i := range items {
		g, known := goods[i.variant]
		switch {
		case !known:
			return unknown(i.pointer)
		case !g.Active:
			f.add(i.pointer+"/variant_id", "%s is not on sale.", g.Title)
		}
	}
	return f.err()
}

func addToCart(ctx context.Context, tx *db.Tx, in AddToCartIn) (Cart, error) {
	return alter(ctx, tx, in.Cart, nil, nil, func(have []item) ([]item, error) {
		items, err := read(in.Body.Lines, 1)
		if err != nil {
			return nil, err
		}
		at := map[id.Variant]int{}
		next := int64(0)
		for n, i := range have {
			at[i.variant], next = n, max(next, i.position+1)
		}
		for _, i := range items {
			if n, found := at[i.variant]; found {
				have[n].quantity = min(have[n].quantity+i.quantity, MaxQuantity)
				continue
			}
			i.position, next = next, next+1
			have = append(have, i)
		}
		if len(have) > MaxLines {
			return nil, fault.Invalid("/lines", "A cart has %d lines at most.", MaxLines)
		}
		return have, nil
	})
}

func changeCart(ctx context.Context, tx *db.Tx, in ChangeCartIn) (Cart, error) {
	settings, err := shop.Of(ctx, tx)
	if err != nil {
		return Cart{}, err
	}
	var f faults
	contact, address := in.Body.Contact, in.Body.ShippingAddress
	if contact != nil {
		c := contact.normalised(settings.Country, false, &f)
		contact = &c
	}
	if address != nil {
		a := normalisedAddress(*address, "", "", false, &f)
		address = &a
	}
	if err := f.err(); err != nil {
		return Cart{}, err
	}
	return alter(ctx, tx, in.Cart, contact, address, func(have []item) ([]item, error) {
		if in.Body.Lines == nil {
			return have, nil
		}
		items, err := read(*in.Body.Lines, 0)
		return slices.DeleteFunc(items, func(i item) bool { return i.quantity == 0 }), err
	})
}

// alter changes a cart: what it says of the shopper, where given, and its
// lines, to what change makes of them. The cart's row is locked first, so that
// two changes follow each other.
func alter(ctx context.Context, tx *db.Tx, name string, contact *Contact, address *Address, change func([]item) ([]item, error)) (Cart, error) {
	cart, err := parseCart(name)
	if err != nil {
		return Cart{}, err
	}
	who, where, err := encoded(contact, address)
	if err != nil {
		return Cart{}, err
	}
	c, found, err := db.One(ctx, tx, touchCart, (*storedCart).scan, cart, tx.Now(), who, where, tx.Now().Add(-CartAge))
	switch {
	case err != nil:
		return Cart{}, err
	case !found:
		return Cart{}, noCart()
	case c.token != "":
		return Cart{}, cartOrdered(c.token)
	}
	have, err := db.All(ctx, tx, cartLines, (*item).scan, cart)
	if err != nil {
		return Cart{}, err
	}
	before := make(map[id.Variant]item, len(have))
	for _, i := range have {
		before[i.variant] = i
	}
	if c.items, err = change(have); err != nil {
		return Cart{}, err
	}
	goods, err := sellables(ctx, tx, c.items)
	if err != nil {
		return Cart{}, err
	}
	var fresh []item
	for _, i := range c.items {
		was, old := before[i.variant]
		delete(before, i.variant)
		if !old {
			fresh = append(fresh, i)
		}
		if old && was.quantity == i.quantity && was.position == i.position {
			continue
		}
		if _, err := tx.Exec(ctx, putLine, cart, i.variant, i.position, i.quantity); err != nil {
			return Cart{}, err
		}
	}
	if err := mayEnter(fresh, goods); err != nil {
		return Cart{}, err
	}
	for v := range before {
		if _, err := tx.Exec(ctx, dropLine, cart, v); err != nil {
			return Cart{}, err
		}
	}
	return priced(ctx, tx, c, goods)
}

// encoded gives the JSON that a cart keeps; nil for what is absent.
func encoded(contact *Contact, address *Address) (who, where []byte, err error) {
	if contact != nil {
		if who, err = json.Marshal(contact); err != nil {
			return nil, nil, err
		}
	}
	if address != nil {
		where, err = json.Marshal(address)
	}
	return who, where, err
}

func getCart(ctx context.Context, r db.Reader, in CartIn) (Cart, error) {
	cart, err := parseCart(in.Cart)
	if err != nil {
		return Cart{}, err
	}
	c, goods, err := fetch(ctx, r, cart)
	if err != nil {
		return Cart{}, err
	}
	return priced(ctx, r, c, goods)
}

// fetch reads a cart and what is in it, in one statement.
func fetch(ctx context.Context, r db.Reader, cart id.Cart) (c storedCart, goods map[id.Variant]catalog.Sellable, err error) {
	type row struct {
		storedCart
		item
		catalog.Sellable
		options [3]string
	}
	goods = map[id.Variant]catalog.Sellable{}
	found := false
	err = db.Each(ctx, r, readCart, func(w *row) []any {
		g := &w.Sellable
		return slices.Concat(w.storedCart.scan(), w.item.scan(), []any{
			&g.Product, &g.Handle, &g.Title, &w.options[0], &w.options[1], &w.options[2], &g.SKU, &g.Price, &g.CompareAt,
			&g.Image, &g.ImageAlt, &g.WeightGrams, &g.RequiresShipping, &g.Active, &g.Tracked, &g.Continue, &g.Available,
		})
	}, func(w row) error {
		if !found {
			c, found = w.storedCart, true
		}
		if w.variant.Zero() { // an empty cart
			return nil
		}
		w.pointer = fmt.Sprintf("/lines/%d", len(c.items))
		c.items = append(c.items, w.item)
		if g := w.Sellable; !g.Product.Zero() {
			g.Variant = w.variant
			g.Sellable = !g.Tracked || g.Continue || g.Available > 0
			g.VariantTitle = strings.Join(slices.DeleteFunc(w.options[:], func(s string) bool { return s == "" }), " / ")
			goods[w.variant] = g
		}
		return nil
	}, cart, r.Now().Add(-CartAge))
	if err == nil && !found {
		err = noCart()
	}
	return c, goods, err
}

// storedCart is a cart's row and its lines.
type storedCart struct {
	id             id.Cart
	updated        time.Time
	contact, where []byte
	token          string
	items          []item
}

func (c *storedCart) scan() []any {
	return []any{&c.id, &c.updated, &c.contact, &c.where, &c.token}
}

// said gives what the cart knows of the shopper; nil where it knows nothing.
func (c *storedCart) said() (contact *Contact, address *Address, err error) {
	if c.contact != nil {
		if err := json.Unmarshal(c.contact, &contact); err != nil {
			return nil, nil, fmt.Errorf("read the contact of a cart: %w", err)
		}
	}
	if c.where != nil {
		if err := json.Unmarshal(c.where, &address); err != nil {
			return nil, nil, fmt.Errorf("read the address of a cart: %w", err)
		}
	}
	return contact, address, nil
}

// SweepCarts forgets carts that were not touched for CartAge, and returns how
// many. One call does a bounded piece of work: call it until there are none.
func SweepCarts(ctx context.Context, room *fleet.Room) (int, error) {
	total := 0
	for range sweepBatches {
		var n int64
		_, err := room.Change(ctx, func(tx *db.Tx) (err error) {
			if _, err = tx.Exec(ctx, dropOldLines, tx.Now().Add(-CartAge)); err != nil {
				return err
			}
			n, err = tx.Exec(ctx, dropOldCarts, tx.Now().Add(-CartAge))
			return err
		})
		if err != nil {
			return total, fmt.Errorf("sweep carts: %w", err)
		}
		if total += int(n); n < sweepBatch {
			break
		}
	}
	return total, nil
}

const (
	sweepBatch   = 200 // the LIMIT in dropOldLines and dropOldCarts
	sweepBatches = 4   // of one call
)
