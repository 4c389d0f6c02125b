package catalog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"haat/internal/db"
	"haat/internal/id"
)

// A shop of more than packedFrom products has what its lists need packed into
// blocks, which follow from its rows. Whoever writes a product or a
// collection's members calls repack as the last thing that it does: it has the
// shop's lists alone from then on.
const (
	packedFrom = 256
	blockFill  = 64 // products of a block as it is made
	blockMost  = 96 // beyond which it is split

	lists = "lists" // the subject of Tx.Alone, the last that is named
)

var (
	readBlock = db.Q(`
		SELECT b.first, b.data, COALESCE((SELECT n.first FROM product_block n WHERE n.shop = $1 AND n.first > b.first ORDER BY n.first LIMIT 1), ` + noKey + `)
		FROM product_block b WHERE b.shop = $1 AND b.first <= $2 ORDER BY b.first DESC LIMIT 1`)
	putBlock = db.Q(`
		INSERT INTO product_block (shop, first, data) VALUES ($1, $2, $3)
		ON CONFLICT (shop, first) DO UPDATE SET data = excluded.data`)
	dropBlock  = db.Q(`DELETE FROM product_block WHERE shop = $1 AND first = $2`)
	dropBlocks = db.Q(`DELETE FROM product_block WHERE shop = $1`)
	readBlocks = db.Q(`SELECT b.first, b.data FROM product_block b WHERE b.shop = $1 ORDER BY b.first`)
	newVersion = db.Q(`
		INSERT INTO product_lists (shop, version) VALUES ($1, $2)
		ON CONFLICT (shop) DO UPDATE SET version = excluded.version`)
	isLarge = db.Q(`SELECT p.id FROM product p WHERE p.shop = $1 LIMIT 1 OFFSET $2`)

	listedColumns = `SELECT p.id, p.price, p.price_max, p.created_at, p.choices, p.sort, p.compare_at, p.variants, p.variant,
		p.handle, p.title, p.vendor, p.image, p.width, p.height, p.alt, p.placeholder FROM product p
		WHERE p.shop = $1 AND p.status = 'active'`
	readListed  = db.Q(listedColumns + ` AND p.id = $2`)
	readAll     = db.Q(listedColumns + ` ORDER BY p.id`)
	readMember  = db.Q(`SELECT m.product, m.collection, m.position FROM collection_product m WHERE m.shop = $1 AND m.product = $2 ORDER BY m.collection`)
	readInLists = db.Q(`SELECT m.product, m.collection, m.position FROM collection_product m WHERE m.shop = $1 ORDER BY m.product, m.collection`)
)

// listed is an active product as lists need it.
type listed struct {
	id                      id.Product
	price, priceMax         int64
	created, choices        int64 // µs
	sort                    []byte
	in                      []member
	compareAt, variants     int64
	variant                 id.Variant
	handle, title, vendor   string
	image, alt, placeholder string
	width, height           int64
}

type member struct {
	product    id.Product
	collection id.Collection
	position   int64
}

func scanListed(l *listed) []any {
	return []any{&l.id, &l.price, &l.priceMax, &l.created, &l.choices, &l.sort, &l.compareAt, &l.variants, &l.variant,
		&l.handle, &l.title, &l.vendor, &l.image, &l.width, &l.height, &l.alt, &l.placeholder}
}

func scanMember(m *member) []any { return []any{&m.product, &m.collection, &m.position} }

// An entry of a block is its length in four bytes, then the id, price,
// highest price, time and choices in fixed places, which decide most, then the
// key of its title, the collections with the place in each, and the rest.
const (
	atPrice   = 4 + 16
	atMax     = atPrice + 8
	atCreated = atMax + 8
	atChoices = atCreated + 8
	atSort    = atChoices + 8
)

var le = binary.LittleEndian

// append adds the entry to a block.
func (l *listed) append(b []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = append(b, l.id[:]...)
	for _, n := range []int64{l.price, l.priceMax, l.created, l.choices} {
		b = le.AppendUint64(b, uint64(n))
	}
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(string(l.sort))
	b = binary.AppendUvarint(b, uint64(len(l.in)))
	for _, m := range l.in {
		b = append(b, m.collection[:]...)
		b = binary.AppendVarint(b, m.position)
	}
	b = append(b, l.variant[:]...)
	for _, n := range []int64{l.compareAt, l.variants, l.width, l.height} {
		b = binary.AppendVarint(b, n)
	}
	for _, s := range []string{l.handle, l.title, l.vendor, l.image, l.alt, l.placeholder} {
		text(s)
	}
	le.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

var errBlock = errors.New("a block of products is damaged")

// entries splits a block into its entries, each with at least the fixed places.
func entries(block []byte, fn func(entry []byte)) error {
	for len(block) > 0 {
		if len(block) < atSort {
			return errBlock
		}
		n := int(le.Uint32(block))
		if n < atSort || n > len(block) {
			return errBlock
		}
		fn(block[:n:n])
		block = block[n:]
	}
	return nil
}

// unread is the part of an entry that has no fixed places.
type unread struct {
	b   []byte
	bad bool
}

func (u *unread) take(n uint64) []byte {
	if n > uint64(len(u.b)) {
		u.bad, u.b = true, nil
		return nil
	}
	out := u.b[:n:n]
	u.b = u.b[n:]
	return out
}

func (u *unread) length() uint64 {
	n, size := binary.Uvarint(u.b)
	if size <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unread) number() int64 {
	n, size := binary.Varint(u.b)
	if size <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unread) text() []byte { return u.take(u.length()) }

// place gives where the entry stands in a collection; false if it is not there.
func (u *unread) place(c id.Collection) (position int64, in bool) {
	for n := u.length(); n > 0 && !u.bad; n-- {
		is := u.take(uint64(len(c)))
		p := u.number()
		if bytes.Equal(is, c[:]) {
			position, in = p, true
		}
	}
	return position, in
}

// card reads the entry's card, its availability aside.
func (u *unread) card(entry []byte) (c Card) {
	copy(c.Product[:], entry[4:])
	c.Price, c.PriceMax = int64(le.Uint64(entry[atPrice:])), int64(le.Uint64(entry[atMax:]))
	copy(c.Variant[:], u.take(uint64(len(c.Variant))))
	c.CompareAt, c.Variants = u.number(), u.number()
	c.Image.Width, c.Image.Height = int(u.number()), int(u.number())
	for _, s := range []*string{&c.Handle, &c.Title, &c.Vendor, &c.Image.Hash, &c.Image.Alt, &c.Image.Placeholder} {
		*s = string(u.text())
	}
	return c
}

type block struct {
	first id.Product
	data  []byte
	next  []byte // the first of the next block; empty: there is none
}

// repack brings the blocks up to date with what the rows say of these
// products, and makes them for a shop that has become large.
func repack(ctx context.Context, tx *db.Tx, products ...id.Product) error {
	if len(products) == 0 {
		return nil
	}
	if err := tx.Alone(ctx, lists); err != nil {
		return err
	}
	slices.SortFunc(products, func(a, b id.Product) int { return bytes.Compare(a[:], b[:]) })
	for len(products) > 0 {
		at, packed, err := db.One(ctx, tx, readBlock, func(b *block) []any { return []any{&b.first, &b.data, &b.next} }, products[0])
		if err != nil {
			return err
		}
		if !packed {
			_, large, err := db.One(ctx, tx, isLarge, func(p *id.Product) []any { return []any{p} }, packedFrom)
			if err != nil || !large {
				return err
			}
			return packAll(ctx, tx)
		}
		n := 1
		for n < len(products) && (len(at.next) == 0 || bytes.Compare(products[n][:], at.next) < 0) {
			n++
		}
		if err := at.update(ctx, tx, products[:n]); err != nil {
			return err
		}
		products = products[n:]
	}
	return written(ctx, tx)
}

// written says that the blocks have another content than any before.
func written(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, newVersion, 1+rand.Int64N(math.MaxInt64))
	return err
}

// update writes a block anew, with these of its products as their rows are.
func (at *block) update(ctx context.Context, tx *db.Tx, products []id.Product) error {
	var all [][]byte
	if err := entries(at.data, func(e []byte) { all = append(all, e) }); err != nil {
		return err
	}
	for _, p := range products {
		l, active, err := db.One(ctx, tx, readListed, scanListed, p)
		if err != nil {
			return err
		}
		n, there := slices.BinarySearchFunc(all, p, func(e []byte, p id.Product) int { return bytes.Compare(e[4:atPrice], p[:]) })
		if there {
			all = slices.Delete(all, n, n+1)
		}
		if !active {
			continue
		}
		if l.in, err = db.All(ctx, tx, readMember, scanMember, p); err != nil {
			return err
		}
		all = slices.Insert(all, n, l.append(nil))
	}
	if len(all) == 0 && !at.first.Zero() {
		_, err := tx.Exec(ctx, dropBlock, at.first)
		return err
	}
	size := len(all)
	switch {
	case len(all) <= blockMost:
	case len(at.next) == 0: // products come at the end, as a rule
		size = blockFill
	default:
		size = (len(all) + 1) / 2
	}
	first := at.first
	for {
		n := min(max(size, 1), len(all))
		if _, err := tx.Exec(ctx, putBlock, first, bytes.Join(all[:n], nil)); err != nil {
			return err
		}
		if all = all[n:]; len(all) == 0 {
			return nil
		}
		copy(first[:], all[0][4:])
	}
}

// packAll makes all of the shop's blocks anew.
func packAll(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, dropBlocks); err != nil {
		return err
	}
	all, err := listedRows(ctx, tx)
	if err != nil {
		return err
	}
	var first id.Product
	for {
		n := min(blockFill, len(all))
		data := []byte{}
		for i := range all[:n] {
			data = all[i].append(data)
		}
		if _, err := tx.Exec(ctx, putBlock, first, data); err != nil {
			return err
		}
		if all = all[n:]; len(all) == 0 {
			return written(ctx, tx)
		}
		first = all[0].id
	}
}

// listedRows reads every active product, in the order of their ids.
func listedRows(ctx context.Context, r db.Reader) ([]listed, error) {
	all, err := db.All(ctx, r, readAll, scanListed)
	if err != nil {
		return nil, err
	}
	in, err := db.All(ctx, r, readInLists, scanMember)
	if err != nil {
		return nil, err
	}
	for i := range all {
		for len(in) > 0 && bytes.Compare(in[0].product[:], all[i].id[:]) < 0 {
			in = in[1:]
		}
		n := 0
		for n < len(in) && in[n].product == all[i].id {
			n++
		}
		all[i].in, in = in[:n], in[n:]
	}
	return all, nil
}

// repackAll is repack for a change of many products' collections.
func repackAll(ctx context.Context, tx *db.Tx) error {
	if err := tx.Alone(ctx, lists); err != nil {
		return err
	}
	_, packed, err := db.One(ctx, tx, readBlock, func(b *block) []any { return []any{&b.first, &b.data, &b.next} }, id.Product{})
	if err != nil || !packed {
		return err
	}
	return packAll(ctx, tx)
}

// Pack makes what a large shop's lists are read from. It is for a shop that
// was filled with Add and AddCollection.
func Pack(ctx context.Context, tx *db.Tx) error {
	_, large, err := db.One(ctx, tx, isLarge, func(p *id.Product) []any { return []any{p} }, packedFrom)
	if err != nil || !large {
		return err
	}
	return packAll(ctx, tx)
}

// CheckPacked says in which blocks a shop's lists are not what its rows say;
// nothing if all is well, or the shop has none.
func CheckPacked(ctx context.Context, r db.Reader) (wrong []string, err error) {
	blocks, err := db.All(ctx, r, readBlocks, func(b *block) []any { return []any{&b.first, &b.data} })
	if err != nil || len(blocks) == 0 {
		return nil, err
	}
	all, err := listedRows(ctx, r)
	if err != nil {
		return nil, err
	}
	if !blocks[0].first.Zero() {
		wrong = append(wrong, "the first block is missing")
	}
	for i, b := range blocks {
		n := 0
		for n < len(all) && (i == len(blocks)-1 || bytes.Compare(all[n].id[:], blocks[i+1].first[:]) < 0) {
			n++
		}
		want := []byte{}
		for j := range all[:n] {
			want = all[j].append(want)
		}
		if all = all[n:]; !bytes.Equal(want, b.data) {
			wrong = append(wrong, fmt.Sprintf("block %v does not say what the rows of its %d products say", b.first, n))
		}
	}
	return wrong, nil
}
