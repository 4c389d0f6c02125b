package catalog

import "haat/internal/db"

// Statements on products.
var (
	insertProduct = db.Q(`
		INSERT INTO product (shop, id, handle, title, sort, status, vendor, kind, price, price_max, compare_at, variants, variant,
			image, width, height, alt, placeholder, found_by, choices, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`)
	updateProduct = db.Q(`
		UPDATE product SET handle = $3, title = $4, sort = $5, status = $6, vendor = $7, kind = $8, price = $9, price_max = $10,
			compare_at = $11, variants = $12, variant = $13, image = $14, width = $15, height = $16, alt = $17, placeholder = $18,
			found_by = $19, choices = $20, updated_at = $21
		WHERE shop = $1 AND id = $2`)
	putBody = db.Q(`
		INSERT INTO product_body (shop, product, description, data) VALUES ($1, $2, $3, $4)
		ON CONFLICT (shop, product) DO UPDATE SET description = excluded.description, data = excluded.data`)
	putVariant = db.Q(`
		INSERT INTO product_variant (shop, id, product, position, option1, option2, option3, sku, barcode, price, compare_at, cost,
			grams, tax_class, taxable, shipped, image, image_source, extra)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (shop, id) DO UPDATE SET position = excluded.position, option1 = excluded.option1, option2 = excluded.option2,
			option3 = excluded.option3, sku = excluded.sku, barcode = excluded.barcode, price = excluded.price,
			compare_at = excluded.compare_at, cost = excluded.cost, grams = excluded.grams, tax_class = excluded.tax_class,
			taxable = excluded.taxable, shipped = excluded.shipped, image = excluded.image, image_source = excluded.image_source,
			extra = excluded.extra`)
	dropVariant = db.Q(`DELETE FROM product_variant WHERE shop = $1 AND id = $2`)
	putImage    = db.Q(`
		INSERT INTO product_image (shop, product, position, hash, alt, width, height, placeholder, source)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	putTag = db.Q(`
		INSERT INTO product_tag (shop, folded, product, tag) VALUES ($1, $2, $3, $4)
		ON CONFLICT (shop, folded, product) DO NOTHING`)

	dropImages   = db.Q(`DELETE FROM product_image WHERE shop = $1 AND product = $2`)
	dropTags     = db.Q(`DELETE FROM product_tag WHERE shop = $1 AND product = $2`)
	dropVariants = db.Q(`DELETE FROM product_variant WHERE shop = $1 AND product = $2`)
	dropBody     = db.Q(`DELETE FROM product_body WHERE shop = $1 AND product = $2`)
	dropProduct  = db.Q(`DELETE FROM product WHERE shop = $1 AND id = $2`)

	readProduct = db.Q(`
		SELECT p.id, p.handle, p.title, p.status, p.vendor, p.kind, p.created_at, p.updated_at, b.description, b.data
		FROM product p JOIN product_body b ON b.shop = $1 AND b.product = p.id
		WHERE p.shop = $1 AND p.id = $2`)
	readVariants = db.Q(`
		SELECT v.id, v.option1, v.option2, v.option3, v.sku, v.barcode, v.price, v.compare_at, v.cost, v.grams, v.tax_class,
			v.taxable, v.shipped, v.image, v.image_source, v.extra
		FROM product_variant v WHERE v.shop = $1 AND v.product = $2 ORDER BY v.position, v.id`)
	readImages = db.Q(`
		SELECT hash, alt, width, height, placeholder, source FROM product_image
		WHERE shop = $1 AND product = $2 ORDER BY position`)
	readTags = db.Q(`SELECT tag FROM product_tag WHERE shop = $1 AND product = $2 ORDER BY folded`)

	idOfHandle  = db.Q(`SELECT id FROM product WHERE shop = $1 AND handle = $2`)
	idOfVariant = db.Q(`SELECT product FROM product_variant WHERE shop = $1 AND id = $2`)
	handlesLike = db.Q(`SELECT handle FROM product WHERE shop = $1 AND handle >= $2 AND handle < $3`)
)
