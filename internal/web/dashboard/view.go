package dashboard

import (
	"time"

	"haat/internal/web/design"
)

// Frame is what stands around the content of every page of one shop.
type Frame struct {
	Title   string // of the page, for the browser's tab and the heading
	Lang    string // BCP 47, such as "en-IN"; empty: "en"
	Section string // which item of the navigation is lit: a Section… constant
	CSRF    string // for the hidden field of every form
	Now     time.Time
	Zone    *time.Location // the shop's

	ShopName string
	ShopURL  string // of the storefront, complete
	Base     string // "/shops/<slug>", without a slash at the end
	Logo     string // address of a small image; empty: the first letter
	Shops    int    // how many shops this account has
	Waiting  int    // orders to accept, shown beside Orders

	Flash Flash
	// Suspended is why the operator has closed the shop; empty when open.
	Suspended string
}

// The items of the navigation.
const (
	SectionToday       = "today"
	SectionOrders      = "orders"
	SectionAdd         = "add"
	SectionProducts    = "products"
	SectionCollections = "collections"
	SectionCustomers   = "customers"
	SectionSearch      = "search"
	SectionShare       = "share"
	SectionImport      = "import"
	SectionSettings    = "settings"
	SectionMore        = "more"
)

// Flash says what the last form did, once.
type Flash struct {
	Text string
	Kind string // "good" (default), "bad"
	Undo *Undo
}

// Undo is a form that takes the last action back.
type Undo struct {
	Action string            // where it posts
	Fields map[string]string // hidden fields beside csrf
}

// Problems are what is wrong with a form, keyed by field name; the key ""
// is about the form as a whole.
type Problems map[string]string

// Tab is one of several views of a list, with how many are in it.
type Tab struct {
	Label, URL, Count string
	On                bool
}

// Pager leads through a list read by cursor. Empty addresses are not shown.
type Pager struct {
	Prev, Next string
	Note       string // "1–50 of 5,012"
}

// Choice is one of several values a field may take.
type Choice = design.Choice

// Status is a state in words with the colour it is shown in: "good", "warn",
// "bad", "info", "accent" or empty.
type Status struct{ Label, Kind string }

// Image is a picture that was stored.
type Image struct {
	Hash   string // identifies it in forms
	Src    string // at about 160 px
	Large  string // at about 640 px
	Alt    string
	Width  int // of Large, in pixels; 0 when unknown
	Height int
}

// Public is what stands around the platform's own pages.
type Public struct {
	Title    string
	Lang     string
	CSRF     string
	Platform string // what the installation calls itself; empty: "haat"
	SignedIn bool
	Now      time.Time
	Flash    Flash
	Dev      bool // codes can be read at /dev/messages
}
