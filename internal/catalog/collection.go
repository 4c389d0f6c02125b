package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"haat/internal/catalog/shopify"
	"haat/internal/db"
	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/id"
)

// The bounds of collections.
const (
	MaxCollections = 500
	MaxConditions  = 20
	MaxMembers     = 5000 // of a list by hand
)

// Collection is a group of products, by hand or by rule.
type Collection struct {
	ID          id.Collection `json:"id"`
	Handle      string        `json:"handle"`
	Title       string        `json:"title"`
	Description string        `json:"description"`
	Sort        Sort          `json:"sort" doc:"How it is shown unless the shopper chooses otherwise"`
	Rule        *Rule         `json:"rule,omitempty" doc:"What belongs to it; absent for a list by hand"`
	Products    int64         `json:"products" doc:"How many products are in it"`
	Image       string        `json:"image,omitempty" doc:"Hash of its picture"`
	UpdatedAt   time.Time     `json:"updated_at"`
}

// Rule says what belongs to a collection.
type Rule struct {
	Any        bool        `json:"any" doc:"One condition is enough; else all must hold"`
	Conditions []Condition `json:"conditions" maxItems:"20" minItems:"1"`
}

// Condition is one thing that is asked of a product.
type Condition struct {
	Field string `json:"field" enum:"title,tag,type,vendor,price,compare_at_price"`
	Is    string `json:"is" enum:"equals,not_equals,contains,not_contains,starts_with,ends_with,greater,less"`
	Value string `json:"value" maxLength:"255" doc:"Prices in minor units"`
}

// Check says what is wrong with a rule.
func (r *Rule) Check() error {
	if len(r.Conditions) == 0 || len(r.Conditions) > MaxConditions {
		return fault.Invalid("/rule/conditions", "A rule has between one and %d conditions.", MaxConditions)
	}
	for i, c := range r.Conditions {
		at := fmt.Sprintf("/rule/conditions/%d", i)
		number := c.Field == "price" || c.Field == "compare_at_price"
		var n int64
		_, err := fmt.Sscanf(c.Value, "%d", &n)
		switch {
		case strings.TrimSpace(c.Value) == "":
			return fault.Invalid(at+"/value", "Say what to compare with.")
		case number && err != nil:
			return fault.Invalid(at+"/value", "A price is a number.")
		case number && c.Is != "equals" && c.Is != "not_equals" && c.Is != "greater" && c.Is != "less":
			return fault.Invalid(at+"/is", "A price is equal, greater or less.")
		case !number && (c.Is == "greater" || c.Is == "less"):
			return fault.Invalid(at+"/is", "Only prices are greater or less.")
		}
	}
	return nil
}

// Holds reports whether a product belongs.
func (r *Rule) Holds(p *Product) bool {
	for _, c := range r.Conditions {
		if c.holds(p) == r.Any {
			return r.Any
		}
	}
	return !r.Any
}

func (c Condition) holds(p *Product) bool {
	var price, compare int64
	for i, v := range p.Variants {
		if i == 0 || v.Price < price {
			price, compare = v.Price, v.CompareAt
		}
	}
	switch c.Field {
	case "title":
		return c.text(p.Title)
	case "type":
		return c.text(p.Type)
	case "vendor":
		return c.text(p.Vendor)
	case "price":
		return c.number(price)
	case "compare_at_price":
		return c.number(compare)
	}
	negative := strings.HasPrefix(c.Is, "not_") // no tag at all may be so
	for _, t := range p.Tags {
		if c.text(t) != negative {
			return !negative
		}
	}
	return negative
}

func (c Condition) text(s string) bool {
	s, v := strings.ToLower(s), strings.ToLower(strings.TrimSpace(c.Value))
	switch c.Is {
	case "equals":
		return s == v
	case "not_equals":
		return s != v
	case "contains":
		return strings.Contains(s, v)
	case "not_contains":
		return !strings.Contains(s, v)
	case "starts_with":
		return strings.HasPrefix(s, v)
	case "ends_with":
		return strings.HasSuffix(s, v)
	}
	return false
}

func (c Condition) number(n int64) bool {
	var v int64
	_, _ = fmt.Sscanf(c.Value, "%d", &v) // checked when the rule was saved
	switch c.Is {
	case "equals":
		return n == v
	case "not_equals":
		return n != v
	case "greater":
		return n > v
	case "less":
		return n < v
	}
	return false
}

var (
	readRules  = db.Q(`SELECT id, rule FROM collection WHERE shop = $1 AND rule <> ''`)
	readPlaces = db.Q(`SELECT collection FROM collection_product WHERE shop = $1 AND product = $2`)
	enter      = db.Q(`
		INSERT INTO collection_product (shop, collection, product, position) VALUES ($1, $2, $3, $4)
		ON CONFLICT (shop, collection, product) DO UPDATE SET position = excluded.position`)
	leave    = db.Q(`DELETE FROM collection_product WHERE shop = $1 AND collection = $2 AND product = $3`)
	leaveAll = db.Q(`DELETE FROM collection_product WHERE shop = $1 AND product = $2`)
	empty    = db.Q(`DELETE FROM collection_product WHERE shop = $1 AND collection = $2`)

	collectionColumns = `c.id, c.handle, c.title, c.description, c.sort, c.rule, c.image, c.updated_at,
		(SELECT COUNT(*) FROM collection_product m WHERE m.shop = $1 AND m.collection = c.id)`
	readCollection   = db.Q(`SELECT ` + collectionColumns + ` FROM collection c WHERE c.shop = $1 AND c.id = $2`)
	listCollections  = db.Q(`SELECT ` + collectionColumns + ` FROM collection c WHERE c.shop = $1 ORDER BY c.position, c.created_at, c.id LIMIT 500`)
	idOfCollection   = db.Q(`SELECT id FROM collection WHERE shop = $1 AND handle = $2`)
	collectionsLike  = db.Q(`SELECT handle FROM collection WHERE shop = $1 AND handle >= $2 AND handle < $3`)
	countCollections = db.Q(`SELECT COUNT(*) FROM collection WHERE shop = $1`)
	dropCollection   = db.Q(`DELETE FROM collection WHERE shop = $1 AND id = $2`)
	readMembers      = db.Q(`SELECT product FROM collection_product WHERE shop = $1 AND collection = $2 ORDER BY position, product`)
	collectionsOf    = db.Q(`SELECT collection FROM collection_product WHERE shop = $1 AND product = $2`)
	productExists    = db.Q(`SELECT id FROM product WHERE shop = $1 AND id = $2`)
	insertCollection = db.Q(`
		INSERT INTO collection (shop, id, handle, title, description, sort, rule, image, width, height, alt, placeholder, seo, position, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, '', '', '', $9, $10, $10)`)
	updateCollection = db.Q(`
		UPDATE collection SET handle = $3, title = $4, description = $5, sort = $6, rule = $7, image = $8, updated_at = $9
		WHERE shop = $1 AND id = $2`)

	// What a rule asks, of every product at once.
	ruleProducts = db.Q(`SELECT p.id, p.title, p.vendor, p.kind, p.price, p.compare_at FROM product p WHERE p.shop = $1`)
	ruleTags     = db.Q(`SELECT t.product, t.tag FROM product_tag t WHERE t.shop = $1`)
)

type storedCollection struct {
	Collection
	rule string
}

func scanCollection(c *storedCollection) []any {
	return []any{&c.ID, &c.Handle, &c.Title, &c.Description, &c.Sort, &c.rule, &c.Image, &c.UpdatedAt, &c.Products}
}

func (c *storedCollection) unpack() (Collection, error) {
	if c.rule != "" {
		if err := json.Unmarshal([]byte(c.rule), &c.Rule); err != nil {
			return c.Collection, fmt.Errorf("read the rule of collection %v: %w", c.ID, err)
		}
	}
	return c.Collection, nil
}

// ReadCollection gives one collection.
func ReadCollection(ctx context.Context, r db.Reader, collection id.Collection) (Collection, error) {
	c, found, err := db.One(ctx, r, readCollection, scanCollection, collection)
	if err != nil {
		return c.Collection, err
	}
	if !found {
		return c.Collection, fault.NotFound("There is no such collection.")
	}
	return c.unpack()
}

// Members gives the products of a collection, in its own order.
func Members(ctx context.Context, r db.Reader, collection id.Collection) ([]id.Product, error) {
	return db.All(ctx, r, readMembers, func(p *id.Product) []any { return []any{p} }, collection)
}

// Collections gives every collection of the shop.
func Collections(ctx context.Context, r db.Reader) ([]Collection, error) {
	rows, err := db.All(ctx, r, listCollections, scanCollection)
	if err != nil {
		return nil, err
	}
	out := make([]Collection, len(rows))
	for i := range rows {
		if out[i], err = rows[i].unpack(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SaveCollection writes a collection, a new one if it has no id. members are
// the products of a list by hand, in order; nil leaves them. With a rule, what
// belongs is found at once.
func SaveCollection(ctx context.Context, tx *db.Tx, c *Collection, members []id.Product) error {
	if err := tx.Alone(ctx, rules); err != nil {
		return err
	}
	c.Title, c.Handle = tidy(c.Title), strings.ToLower(tidy(c.Handle))
	switch {
	case c.Title == "":
		return fault.Invalid("/title", "Give the collection a title.")
	case utf8.RuneCountInString(c.Title) > maxTitle:
		return fault.Invalid("/title", "This is longer than %d characters.", maxTitle)
	case c.Handle != "" && !handlePattern.MatchString(c.Handle), c.Handle == "all":
		return fault.Invalid("/handle", "An address is letters and digits, with single hyphens between them, and not \"all\".")
	case len(members) > MaxMembers:
		return fault.Invalid("/products", "A list by hand has %d products at most.", MaxMembers)
	case c.Sort == "":
		c.Sort = ByHand
	case !c.Sort.valid():
		return fault.Invalid("/sort", "We cannot sort by %q.", c.Sort)
	}
	rule := ""
	if c.Rule != nil {
		if err := c.Rule.Check(); err != nil {
			return err
		}
		b, err := json.Marshal(c.Rule)
		if err != nil {
			return err
		}
		rule = string(b)
	}
	if err := writeCollection(ctx, tx, c, rule); err != nil {
		return err
	}
	if c.Rule != nil {
		if err := refill(ctx, tx, c); err != nil {
			return err
		}
	} else if members != nil {
		if _, err := tx.Exec(ctx, empty, c.ID); err != nil {
			return err
		}
		for i, p := range members {
			if _, found, err := db.One(ctx, tx, productExists, func(p *id.Product) []any { return []any{p} }, p); err != nil {
				return err
			} else if !found {
				return fault.NotFound("There is no such product.").At(fmt.Sprintf("/products/%d", i))
			}
			if _, err := tx.Exec(ctx, enter, c.ID, p, i); err != nil {
				return err
			}
		}
	}
	if c.Rule != nil || members != nil {
		if err := repackAll(ctx, tx); err != nil {
			return err
		}
	}
	return event.Emit(ctx, tx, CollectionSaved{c.ID, c.Handle})
}

// AddCollection writes a new collection that holds these products, in order:
// SaveCollection for a shop which is filled by nobody else, where the handle
// is known to be free, position to be the number of collections before it, and
// the products to be all that its rule names, if it has one.
func AddCollection(ctx context.Context, tx *db.Tx, c *Collection, position int, members []id.Product) error {
	rule := ""
	if c.Rule != nil {
		b, err := json.Marshal(c.Rule)
		if err != nil {
			return err
		}
		rule = string(b)
	}
	c.ID, c.UpdatedAt = id.Collection(db.NewID[struct{}](tx)), tx.Now()
	if c.Sort == "" {
		c.Sort = ByHand
	}
	if _, err := tx.Exec(ctx, insertCollection, c.ID, c.Handle, c.Title, c.Description, c.Sort, rule, c.Image, position, tx.Now()); err != nil {
		return err
	}
	for i, p := range members {
		if c.Rule != nil {
			i = 0 // as refill has it
		}
		if _, err := tx.Exec(ctx, enter, c.ID, p, i); err != nil {
			return err
		}
	}
	return event.Emit(ctx, tx, CollectionSaved{c.ID, c.Handle})
}

func writeCollection(ctx context.Context, tx *db.Tx, c *Collection, rule string) error {
	c.UpdatedAt = tx.Now()
	taken := func() error {
		other, found, err := db.One(ctx, tx, idOfCollection, func(i *id.Collection) []any { return []any{i} }, c.Handle)
		if err == nil && found && other != c.ID {
			f := fault.Conflict("handle-taken", "Another collection has the address %q already.", c.Handle)
			f.Field = "/handle"
			return f
		}
		return err
	}
	if c.ID.Zero() {
		n, _, err := db.One(ctx, tx, countCollections, func(n *int64) []any { return []any{n} })
		if err != nil {
			return err
		}
		if n >= MaxCollections {
			return fault.Conflict("too-many", "A shop has %d collections at most.", MaxCollections)
		}
		if c.Handle == "" {
			want := shopify.Slug(c.Title)
			if want == "all" {
				want = "all-products"
			}
			if c.Handle, err = freeHandle(ctx, tx, idOfCollection, collectionsLike, want, "collection"); err != nil {
				return err
			}
		} else if err := taken(); err != nil {
			return err
		}
		c.ID = id.Collection(db.NewID[struct{}](tx))
		_, err = tx.Exec(ctx, insertCollection, c.ID, c.Handle, c.Title, c.Description, c.Sort, rule, c.Image, n, tx.Now())
		return err
	}
	if err := taken(); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, updateCollection, c.ID, c.Handle, c.Title, c.Description, c.Sort, rule, c.Image, tx.Now())
	if err == nil && n == 0 {
		return fault.NotFound("There is no such collection.")
	}
	return err
}

// refill finds anew what belongs to a collection by rule.
func refill(ctx context.Context, tx *db.Tx, c *Collection) error {
	if _, err := tx.Exec(ctx, empty, c.ID); err != nil {
		return err
	}
	rows, err := db.All(ctx, tx, ruleProducts, func(p *Product) []any {
		p.Variants = make([]Variant, 1)
		return []any{&p.ID, &p.Title, &p.Vendor, &p.Type, &p.Variants[0].Price, &p.Variants[0].CompareAt}
	})
	if err != nil {
		return err
	}
	type tag struct {
		product id.Product
		tag     string
	}
	tags, err := db.All(ctx, tx, ruleTags, func(t *tag) []any { return []any{&t.product, &t.tag} })
	if err != nil {
		return err
	}
	of := map[id.Product][]string{}
	for _, t := range tags {
		of[t.product] = append(of[t.product], t.tag)
	}
	for i := range rows {
		if rows[i].Tags = of[rows[i].ID]; c.Rule.Holds(&rows[i]) {
			if _, err := tx.Exec(ctx, enter, c.ID, rows[i].ID, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// rules is what collections are filled by. Who saves a collection is alone with
// them, else a product that is saved meanwhile would be in neither's list.
const rules = "rules of collections"

// placeProduct puts a product into the collections whose rules it meets, and
// takes it out of those whose it does not.
func placeProduct(ctx context.Context, tx *db.Tx, p *Product) error {
	if err := tx.Beside(ctx, rules); err != nil {
		return err
	}
	list, err := db.All(ctx, tx, readRules, func(c *storedCollection) []any { return []any{&c.ID, &c.rule} })
	if err != nil || len(list) == 0 {
		return err
	}
	places, err := db.All(ctx, tx, readPlaces, func(c *id.Collection) []any { return []any{c} }, p.ID)
	if err != nil {
		return err
	}
	in := map[id.Collection]bool{}
	for _, c := range places {
		in[c] = true
	}
	for i := range list {
		c, err := list[i].unpack()
		if err != nil {
			return err
		}
		belongs := c.Rule.Holds(p)
		switch {
		case belongs && !in[c.ID]:
			_, err = tx.Exec(ctx, enter, c.ID, p.ID, 0)
		case !belongs && in[c.ID]:
			_, err = tx.Exec(ctx, leave, c.ID, p.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteCollection removes a collection; its products stay.
func DeleteCollection(ctx context.Context, tx *db.Tx, collection id.Collection) error {
	c, err := ReadCollection(ctx, tx, collection)
	if err != nil {
		return err
	}
	for _, q := range []*db.SQL{empty, dropCollection} {
		if _, err := tx.Exec(ctx, q, collection); err != nil {
			return err
		}
	}
	if err := repackAll(ctx, tx); err != nil {
		return err
	}
	return event.Emit(ctx, tx, CollectionDeleted{c.ID, c.Handle})
}
