package dashboard

import "time"

// Products is GET <base>/products?status=&q=&after=&before=.
type Products struct {
	Frame
	Tabs   []Tab // All, Active, Sold out, Draft, Archived
	Status string
	Stock  string // "sold-out" or empty
	Query  string
	Rows   []ProductRow
	Pager  Pager
	Total  string
	Empty  bool // the shop has no product at all
	// BulkURL edits price and stock of the products that match.
	BulkURL string
}

// ProductRow is one product in a list.
type ProductRow struct {
	ID       string
	URL      string
	Image    Image
	Title    string
	Note     string // "3 variants · Clay & Co"
	Price    string // "₹499" or "₹499 – ₹899"
	Stock    string // "12 in stock", "Sold out", "Always available"
	StockBad bool   // sold out or nearly
	State    Status
}

// Bulk is GET and POST <base>/products/bulk: price and stock as one sheet.
type Bulk struct {
	Frame
	Query    string
	After    string // the cursor of this page
	Currency string // the sign before prices
	Rows     []BulkRow
	Pager    Pager
	Problems Problems // keyed "price-<variant>", "compare-<variant>", "stock-<variant>"
	BackURL  string
}

// BulkRow is one variant. The hidden fields "was-price-<id>" and so on carry
// what was shown, so that only what was changed is written.
type BulkRow struct {
	Variant  string // id
	Product  string
	Name     string // "Red / M"; empty for a product without options
	SKU      string
	First    bool // of its product
	Price    string
	Compare  string
	Stock    string // empty: not tracked
	WasPrice string
	WasComp  string
	WasStock string
}

// Product is GET and POST <base>/products/new and <base>/products/<id>.
type Product struct {
	Frame
	New         bool
	URL         string // the form's address
	ID          string
	ViewURL     string // on the storefront; empty while not active
	State       Status
	UpdatedAt   time.Time
	Heading     string // the stored title
	Form        ProductForm
	Collections []Choice // Note: "by rule" for those that cannot be chosen
	Currency    string   // the sign before prices
	TaxClasses  []Choice
	Problems    Problems // also "variant-<row>-price" and so on
	UploadURL   string   // multipart POST, field "image"; answers with an Image as JSON
	Host        string   // of the shop, for the search preview
}

// ProductForm is what the editor's fields hold.
type ProductForm struct {
	Title       string
	Description string // HTML
	Status      string // "active", "draft", "archived"
	Vendor      string
	Type        string
	Tags        string // separated by commas
	Options     []OptionForm
	Variants    []VariantForm
	Images      []Image
	Collections []string // ids chosen
	Handle      string
	SEOTitle    string
	SEOText     string
}

// OptionForm is one of up to three options: Values separated by commas.
type OptionForm struct{ Name, Values string }

// VariantForm is one row of the variants table; ID is empty for one that the
// options make and that is not stored yet.
type VariantForm struct {
	ID, Title, SKU, Barcode, Price, Compare, Cost, Stock, Weight, TaxClass string
	WasStock                                                               string // as stored when the form was drawn
	Tracked, Continue                                                      bool
	Options                                                                []string
}

// Quick is GET and POST <base>/quick: from photo to published in 20 s.
type Quick struct {
	Frame
	Title, Price, Stock string
	Currency            string
	Photo               *Image // already uploaded, when the form was refused
	Problems            Problems
	// Last is the product published a moment ago.
	Last *ShareProduct
}

// Collections is GET <base>/collections?q=.
type Collections struct {
	Frame
	Query string
	Rows  []CollectionRow
	Pager Pager
	Empty bool
}

// CollectionRow is one collection in a list.
type CollectionRow struct {
	URL, Title, Products string
	Rule                 string // in words; empty: picked by hand
	Image                Image
}

// Collection is GET and POST <base>/collections/new and <base>/collections/<id>.
type Collection struct {
	Frame
	New         bool
	URL         string
	ViewURL     string
	Heading     string
	Title       string
	Description string
	Handle      string
	Kind        string // "manual" or "rule"
	All         bool   // every condition, rather than any
	Conditions  []Condition
	Fields      []Choice // title, tag, type, vendor, price, stock
	Relations   []Choice // equals, contains, starts, above, below, not
	Picked      []PickedProduct
	Find        string // what was searched to pick from
	Found       []PickedProduct
	Matches     string // "128 products match now"
	Problems    Problems
}

// Condition is one row of a rule.
type Condition struct{ Field, Relation, Value string }

// PickedProduct is a product in a collection or one that could be.
type PickedProduct struct {
	ID, Title, Price string
	Image            Image
	In               bool
}

// ImportStart is GET and POST <base>/import: choose a file.
type ImportStart struct {
	Frame
	Past     []ImportRow
	Problems Problems
	MaxSize  string // "50 MB"
}

// ImportRow is one import in the list of past ones.
type ImportRow struct {
	URL, File, Note string
	At              time.Time
	State           Status
}

// Import is GET <base>/imports/<id>: a dry run's result, a run under way, or
// what it did. Polled or streamed while running; see js/live.js.
type Import struct {
	Frame
	URL       string
	File      string
	Status    string // "queued", "running", "done", "failed"
	DryRun    bool
	At        time.Time
	Rows      int64
	Done      int64
	Counts    []Count // products, variants, collections: created, updated, unchanged, skipped
	Remains   string  // "about 2 min left"
	Speed     string  // "180 rows a second"
	Failure   string  // why it failed, in plain words
	Errors    []RowError
	More      string   // "and 212 more"; empty: all are shown
	Unknown   []string // columns kept as they are
	Images    ImageCounts
	LiveURL   string
	ErrorsURL string // the errors as CSV
	ApplyURL  string // imports what was checked; empty: the file is not there any more
	ResultURL string // the import that it became; empty: none
}

// Count is a number of things with its name.
type Count struct{ Label, Value string }

// RowError is one thing wrong with a line of a file.
type RowError struct {
	Row    int
	Column string
	Value  string // the product's handle
	Text   string
	Fatal  bool // the row was left out, rather than mended
}

// ImageCounts is how far fetching images is.
type ImageCounts struct {
	Queued, Done, Failed int64
	Failures             []ImageFailure
}

// ImageFailure is an image that could not be had.
type ImageFailure struct{ URL, Product, Text string }

// Export is GET <base>/export.
type Export struct {
	Frame
	Products    string // "1,204 products, 3,318 variants"
	Orders      string
	Customers   string
	ProductsURL string // Shopify's CSV
	OrdersURL   string
	PeopleURL   string
}
