package order

import (
	"embed"

	"haat/internal/db"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema is the room's tables.
var Schema = db.Schema("order", schemaFiles)

// Carts.
var (
	insertCart = db.Q(`INSERT INTO order_cart (shop, id, updated_at, contact, address, token) VALUES ($1, $2, $3, NULL, NULL, '')`)
	touchCart  = db.Q(`
		UPDATE order_cart SET updated_at = $3, contact = COALESCE($4, contact), address = COALESCE($5, address)
		WHERE shop = $1 AND id = $2 AND updated_at > $6
		RETURNING id, updated_at, contact, address, token`)
	closeCart = db.Q(`
		UPDATE order_cart SET token = $3, updated_at = $4
		WHERE shop = $1 AND id = $2 AND token = '' AND updated_at > $5`)
	// readCart reads a cart with its lines and what each of them is now, in one
	// statement, because a page has no more.
	readCart = db.Q(`
		SELECT c.id, c.updated_at, c.contact, c.address, c.token,
			l.variant, COALESCE(l.quantity, 0), COALESCE(l.position, 0),
			v.product, COALESCE(p.handle, ''), COALESCE(p.title, ''),
			COALESCE(v.option1, ''), COALESCE(v.option2, ''), COALESCE(v.option3, ''), COALESCE(v.sku, ''),
			COALESCE(v.price, 0), COALESCE(v.compare_at, 0),
			COALESCE(CASE WHEN v.image <> '' THEN v.image ELSE p.image END, ''), COALESCE(p.alt, ''),
			COALESCE(v.grams, 0), COALESCE(v.shipped, FALSE), COALESCE(p.status = 'active', FALSE),
			COALESCE(s.tracked, FALSE), COALESCE(s.continue_, FALSE), COALESCE(s.available, 0)
		FROM order_cart c
		LEFT JOIN order_cart_line l ON l.shop = $1 AND l.cart = c.id
		LEFT JOIN product_variant v ON v.shop = $1 AND v.id = l.variant
		LEFT JOIN product p ON p.shop = $1 AND p.id = v.product
		LEFT JOIN stock_level s ON s.shop = $1 AND s.variant = l.variant
		WHERE c.shop = $1 AND c.id = $2 AND c.updated_at > $3
		ORDER BY l.position, l.variant`)
	cartLines = db.Q(`SELECT variant, quantity, position FROM order_cart_line WHERE shop = $1 AND cart = $2 ORDER BY position, variant`)
	putLine   = db.Q(`
		INSERT INTO order_cart_line (shop, cart, variant, position, quantity) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (shop, cart, variant) DO UPDATE SET position = excluded.position, quantity = excluded.quantity`)
	dropLine     = db.Q(`DELETE FROM order_cart_line WHERE shop = $1 AND cart = $2 AND variant = $3`)
	dropOldLines = db.Q(`
		DELETE FROM order_cart_line WHERE shop = $1 AND cart IN (
			SELECT id FROM order_cart WHERE shop = $1 AND updated_at <= $2 ORDER BY updated_at, id LIMIT 200)`)
	dropOldCarts = db.Q(`
		DELETE FROM order_cart WHERE shop = $1 AND id IN (
			SELECT id FROM order_cart WHERE shop = $1 AND updated_at <= $2 ORDER BY updated_at, id LIMIT 200)`)

	// OldCarts gives carts to be forgotten at $3, after the instant $1 and shop
	// $2 of one that was given before and at most $4, in this order: the shop
	// that SweepCarts is for, and the instant in microseconds. The number is
	// CartAge.
	OldCarts = db.Across(`
		SELECT shop, updated_at FROM order_cart WHERE (updated_at, shop) > ($1, $2) AND updated_at <= $3 - 2592000000000
		ORDER BY updated_at, shop LIMIT $4`)
)

// Orders.
var (
	nextNumber = db.Q(`
		INSERT INTO order_counter (shop, last) VALUES ($1, 1001)
		ON CONFLICT (shop) DO UPDATE SET last = order_counter.last + 1
		RETURNING last`)
	lastNumber  = db.Q(`SELECT last FROM order_counter WHERE shop = $1`)
	insertOrder = db.Q(`
		INSERT INTO orders (shop, id, number, token, status, method, payment, currency, subtotal, delivery, total, items,
			customer, name, phone, email, city, find, placed_at, held_until, accepted_at, paid_at, fulfilled_at, cancelled_at)
		VALUES ($1, $2, $3, $4, 'placed', $5, 'pending', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0, 0, 0, 0)`)
	insertBody  = db.Q(`INSERT INTO order_body (shop, id, lines, address, tracking, reason, note) VALUES ($1, $2, $3, $4, NULL, '', $5)`)
	insertEntry = db.Q(`INSERT INTO order_entry (shop, ord, id, at, kind, account, note) VALUES ($1, $2, $3, $4, $5, $6, $7)`)

	// moveOrder takes an order from one state to another, unless it has left
	// the first meanwhile.
	moveOrder = db.Q(`
		UPDATE orders SET status = $5, payment = $6,
			accepted_at  = CASE WHEN CAST($7 AS TEXT) = 'accepted'  THEN CAST($8 AS BIGINT) ELSE accepted_at  END,
			paid_at      = CASE WHEN CAST($7 AS TEXT) = 'paid'      THEN CAST($8 AS BIGINT) ELSE paid_at      END,
			fulfilled_at = CASE WHEN CAST($7 AS TEXT) = 'fulfilled' THEN CAST($8 AS BIGINT) ELSE fulfilled_at END,
			cancelled_at = CASE WHEN CAST($7 AS TEXT) = 'cancelled' THEN CAST($8 AS BIGINT) ELSE cancelled_at END
		WHERE shop = $1 AND id = $2 AND status = $3 AND payment = $4`)
	setTracking = db.Q(`UPDATE order_body SET tracking = $3 WHERE shop = $1 AND id = $2`)
	setReason   = db.Q(`UPDATE order_body SET reason = $3 WHERE shop = $1 AND id = $2`)

	orderByID    = db.Q(selectOrder + ` WHERE o.shop = $1 AND o.id = $2`)
	orderByToken = db.Q(selectOrder + ` WHERE o.shop = $1 AND o.token = $2`)
	entriesOf    = db.Q(`SELECT id, at, kind, account, note FROM order_entry WHERE shop = $1 AND ord = $2 ORDER BY id`)
)

const (
	headColumns = `o.id, o.number, o.token, o.status, o.method, o.payment, o.currency, o.total, o.items, o.name, o.phone, o.email,
		o.city, o.placed_at, o.held_until, o.paid_at`
	selectOrder = `SELECT ` + headColumns + `, o.subtotal, o.delivery, o.customer, o.accepted_at, o.fulfilled_at, o.cancelled_at,
		b.lines, b.address, b.tracking, b.reason, b.note
		FROM orders o JOIN order_body b ON b.shop = o.shop AND b.id = o.id`
)

// Lists, newest first: before a number ($2), matching ($3, lower case with
// wildcards; empty for all), so many ($4).
const (
	selectHeads = `SELECT ` + headColumns + ` FROM orders o WHERE o.shop = $1 AND o.number < $2
		AND (CAST($3 AS TEXT) = '' OR o.find LIKE CAST($3 AS TEXT) ESCAPE '\')`
	newestFirst = ` ORDER BY o.number DESC LIMIT $4`
)

var (
	listAll        = db.Q(selectHeads + newestFirst)
	listOpen       = db.Q(selectHeads + ` AND o.status IN ('placed', 'accepted')` + newestFirst)
	listByStatus   = db.Q(selectHeads + ` AND o.status = $5` + newestFirst)
	listByPayment  = db.Q(selectHeads + ` AND o.payment = $5` + newestFirst)
	listByCustomer = db.Q(selectHeads + ` AND o.customer = $5` + newestFirst)

	// countOrders counts what waits for somebody, and so stays small however
	// many orders there are; the counter tells how many there ever were.
	countOrders = db.Q(`
		SELECT 'placed', COUNT(*) FROM orders WHERE shop = $1 AND status = 'placed'
		UNION ALL SELECT 'accepted', COUNT(*) FROM orders WHERE shop = $1 AND status = 'accepted'
		UNION ALL SELECT 'pending', COUNT(*) FROM orders WHERE shop = $1 AND payment = 'pending'
		UNION ALL SELECT 'refund-due', COUNT(*) FROM orders WHERE shop = $1 AND payment = 'refund-due'
		UNION ALL SELECT 'all', last - 1000 FROM order_counter WHERE shop = $1`)

	// countSince counts by the ids, which sort by time.
	countSince = db.Q(`
		SELECT
			(SELECT COUNT(*) FROM orders WHERE shop = $1 AND id >= $2),
			(SELECT COUNT(*) FROM orders WHERE shop = $1 AND id >= $3),
			COALESCE((SELECT last - 1000 FROM order_counter WHERE shop = $1), 0)`)
)
