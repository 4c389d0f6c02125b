package storefront

import (
	"haat/internal/money"
	"haat/internal/web/design"
)

// Shop is the frame of every page: whose shop it is and how to reach it.
type Shop struct {
	Name       string
	Tagline    string
	URL        string // origin without a slash at the end: "https://demo.example.com"
	Logo       *Image // nil: the name in type
	ThemeCSS   string // address of the theme's stylesheet (design.ThemePath); empty for ours
	ThemeColor string // "#rrggbb" of the browser's bar; empty to leave it
	Lang       string // BCP 47, of the words on the pages: "en"; empty means "en"
	RTL        bool   // the language runs from right to left
	Locale     string // how money is written: "en-IN"
	Nav        []Link // collections for the menu, in order; the first six fit a desktop
	Policies   []Link // footer
	Promises   []Promise
	WhatsApp   string // "https://wa.me/9198…"; empty hides it
	Phone      string // as people write it
	Email      string
	Address    string // legal or postal, may hold line breaks
}

// Link is words and where they lead.
type Link struct{ Label, Href string }

// Promise is a true statement about buying here, shown on the home page and
// beside products: {"cash", "Cash on delivery"}. Href leads to more of it, if
// there is more.
type Promise struct{ Icon, Text, Href string }

// Page is what every page carries besides its content.
type Page struct {
	Shop        Shop
	Title       string // of the document, without the shop's name
	Description string // for search engines and previews, up to about 160 characters
	Canonical   string // path and query, from the origin: "/products/x"
	Image       *Image // for previews; absolute addresses are made from Shop.URL
	NoIndex     bool
	Query       string // kept in the search box
	CartCount   int    // only on pages of the shopper's own; 0 hides it
	Current     string // path marked in the menu

	buying bool   // of the cart, the checkout and the order, which have a stylesheet more
	meta   []Pair // further Open Graph properties
}

// Image is one picture in several widths.
type Image struct {
	Src           string // a middling width
	SrcSet        string // "…-320.webp 320w, …"
	Width, Height int    // of the original, for its shape
	Alt           string
	Placeholder   string // colour shown until the picture is there, "#e8ddd0"; may be empty
}

// Price is what something costs, and what it cost before.
type Price struct {
	Now    money.Money
	Was    *money.Money // struck through when above Now
	Varies bool         // Now is the lowest of several: "From ₹…"
}

// Saving is the share taken off Was in whole percent, 0 when there is none
// worth naming.
func (p Price) Saving() int {
	if p.Was == nil || p.Was.Amount <= p.Now.Amount || p.Was.Amount <= 0 {
		return 0
	}
	return int((p.Was.Amount - p.Now.Amount) * 100 / p.Was.Amount)
}

// Card is a product in a list.
type Card struct {
	Href      string
	Title     string
	Vendor    string // shown above the title when not empty
	Image     *Image // nil: a drawn stand-in
	Price     Price
	Available bool
	Badge     string // "New"; sold out and savings are said without it
}

// Tile is a collection in a list.
type Tile struct {
	Href, Title string
	Image       *Image
	Count       int // products in it; 0 is not shown
}

// Section is a part of the home page. Kind is "banner", "featured",
// "collections" or "text"; the fields it does not use are ignored, and a
// section without content is not drawn.
type Section struct {
	Kind     string
	Title    string
	Text     string // banner: one line; text: paragraphs parted by blank lines
	Href     string // where its link leads
	Label    string // words of that link
	Image    *Image // banner
	Products []Card
	Tiles    []Tile
}

// Home is the front page. Empty says that the shop has nothing to show yet.
type Home struct {
	Page
	Sections []Section
}

// Collections lists every collection.
type Collections struct {
	Page
	Tiles []Tile
}

// Listing is a page of products with what narrows it. It is the body of a
// collection and of search results.
type Listing struct {
	Action    string // path the form goes to
	Cards     []Card
	Total     int // products that match
	Pages     design.Pages
	Sort      string
	Sorts     []design.Choice
	Available bool   // only what can be bought now
	Stocked   string // how many can be; empty where that is not counted
	Min, Max  string // as typed
	Low, High *money.Money
	Symbol    string // of the currency, before the amounts: "₹"
	Options   []Filter
	Active    []Link // each leads to the page without that filter
	Clear     string // to the page without any
	Keep      []Pair // further fields of the form: the search words
}

// Pair is a hidden field.
type Pair struct{ Name, Value string }

// Filter narrows by one option.
type Filter struct {
	Name   string // "Colour"; the field is PrefixOption + Name
	Values []FilterValue
}

// FilterValue is one value with how many products have it.
type FilterValue struct {
	Value   string
	Count   int
	Checked bool
}

// Collection is one collection's page.
type Collection struct {
	Page
	Handle string
	Name   string
	Text   string // plain
	Trail  []design.Crumb
	Listing
}

// Search is the search page; without Query it asks for words. Suggestions
// are shown when nothing is found or asked.
type Search struct {
	Page
	Meant       string // the words as they were understood, where misspelt
	Partial     bool   // the products have most of the words, not all
	Tries       []Link // fewer words, which find something
	Suggestions []Link
	Popular     []Card
	Listing
}

// Product is one product's page with one variant chosen.
type Product struct {
	Page
	Handle      string
	Name        string
	Vendor      string
	Trail       []design.Crumb
	Images      []Image
	Shown       int    // index in Images of the chosen variant's picture
	HTML        string // sanitised description
	Price       Price
	Options     []Option
	Variant     string // id of the chosen variant; empty: this combination is not made
	SKU         string
	Available   bool
	Left        int // say how few are left; 0 says nothing
	MaxQuantity int
	Error       string // of a refused "add to cart"
	Quantity    int    // what was typed then; 0 means 1
	Promises    []Promise
	Facts       []Pair // small print: material, care, weight
	Related     []Card
	Offers      []Offer // every variant, for search engines; empty: the chosen one alone
	Share       string  // WhatsApp address that sends this page on; empty hides it
}

// Offer is a variant as search engines are told of it.
type Offer struct {
	Variant   string
	Name      string // "Indigo / Large"
	SKU       string
	GTIN      string // barcode
	Price     money.Money
	Available bool
}

// Option is one choice to make: links to the page with that choice made.
type Option struct {
	Name   string
	Chosen string
	Values []OptionValue
}

// OptionValue is a value of an option beside the other options as chosen.
type OptionValue struct {
	Value     string
	Href      string // empty: not made together with the other choices
	Available bool
	Image     *Image // shown in place of words when every value has one
}

// Text is a page of text: a policy, or anything written by the merchant.
type Text struct {
	Page
	Heading string
	HTML    string // sanitised; else Plain
	Plain   string // paragraphs parted by blank lines
}

// Fault is a page that could not be shown, in the shop's frame when Shop.Name
// is set and bare otherwise. Kind chooses the words: "missing" (404), "gone"
// (410, a product or order no longer there), "closed" (the shop is
// suspended), "busy" (503), "broken" (500), "slow-down" (429), "unknown-host"
// (no such shop; Host is shown).
type Fault struct {
	Page
	Kind     string
	Host     string
	Platform string // address of the platform, for "unknown-host"
	Ref      string // request id a person can quote
	Detail   string // plain words in place of the usual ones
}
