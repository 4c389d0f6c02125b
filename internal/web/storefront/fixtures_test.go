package storefront

import (
	"fmt"
	"strings"
	"time"

	"haat/internal/money"
	"haat/internal/web/design"
)

// A shop for home goods, made up, in several states: as usual, with names
// that go on and on, in Hindi, from right to left, and with nothing in it.

func inr(rupees int64) money.Money { return money.Money{Amount: rupees * 100, Currency: "INR"} }

func inrp(rupees int64) *money.Money { m := inr(rupees); return &m }

var (
	ist  = time.FixedZone("IST", 19800)
	noon = time.Date(2026, 11, 24, 12, 5, 0, 0, ist)
)

// drawn is a stand-in for a photograph: a thing on a table in one of a few
// hues. The gallery serves it under the same address.
func drawn(n int, alt string, w, h int) *Image {
	src := fmt.Sprintf("/media/7/%d.svg", n)
	return &Image{
		Src: src, SrcSet: fmt.Sprintf("%s?w=320 320w, %s?w=640 640w, %s?w=960 960w", src, src, src),
		Width: w, Height: h, Alt: alt, Placeholder: grounds[n%len(grounds)],
	}
}

var (
	grounds = []string{"#e8dccb", "#d8e0d6", "#e7d3cb", "#d5dbe6", "#ece5d3", "#dcd3e0", "#cfdfe0"}
	glazes  = []string{"#8c4a2f", "#2f5d50", "#31417a", "#b5852f", "#7a3048", "#3f6f86", "#54503f"}
)

func drawing(n int) string {
	ground, glaze := grounds[n%len(grounds)], glazes[(n*3)%len(glazes)]
	shapes := []string{
		`<path d="M270 190h100c-8 40-12 60 30 120 50 72 30 230-40 250H280c-70-20-90-178-40-250 42-60 38-80 30-120z"/>`,
		`<path d="M130 330h380c0 130-80 210-190 210S130 460 130 330z"/><path d="M250 540h140v26H250z"/>`,
		`<path d="M230 180h180l80 210H150z"/><path d="M305 390h30v150h-30zM240 540h160v26H240z"/>`,
		`<path d="M150 210h340v350H150z"/><path d="M150 270h340M150 330h340M150 440h340M150 500h340M210 210v350M430 210v350" stroke="#fff" stroke-opacity=".5" stroke-width="10" fill="none"/>`,
		`<path d="M200 260h210v240c0 40-30 66-70 66h-70c-40 0-70-26-70-66z"/><path d="M410 310c90-20 90 150 0 130" fill="none" stroke="` + glaze + `" stroke-width="28"/>`,
	}
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 640"><rect width="640" height="640" fill="` + ground + `"/>` +
		`<path d="M0 500h640v140H0z" fill="#000" opacity=".06"/><ellipse cx="320" cy="566" rx="210" ry="22" opacity=".14"/>` +
		`<g fill="` + glaze + `">` + shapes[n%len(shapes)] + `</g><path d="M250 250c-30 80-40 160-10 240" fill="none" stroke="#fff" stroke-opacity=".25" stroke-width="14" stroke-linecap="round"/></svg>`
}

const long = "Hand-thrown stoneware serving platter with reactive glaze, extra-extra-large, dishwasher safe, Supercalifragilisticexpialidocious-Donaudampfschifffahrtsgesellschaft edition"

func usual() Shop {
	css, err := design.ThemeCSS(design.Theme{Accent: "#9a3f22", Background: "#fffdf9", Text: "#241b16", Font: "serif"})
	if err != nil {
		panic(err)
	}
	return Shop{
		Name: "Mitti & Dhaga", Tagline: "Things for the home, made by hand in Kutch", URL: "https://mitti.example.com",
		ThemeCSS: design.ThemePath(css), ThemeColor: "#fffdf9", Locale: "en-IN",
		Nav: []Link{
			{"Pottery", CollectionPath("pottery")}, {"Textiles", CollectionPath("textiles")}, {"Lamps", CollectionPath("lamps")},
			{"Kitchen", CollectionPath("kitchen")}, {"Gifts under ₹999", CollectionPath("gifts")}, {"Festive", CollectionPath("festive")}, {"Sale", CollectionPath("sale")},
		},
		Policies: []Link{{"Delivery", PolicyPath("shipping")}, {"Returns", PolicyPath("returns")}, {"Privacy", PolicyPath("privacy")}},
		Promises: []Promise{{"cash", "Cash on delivery", ""}, {"truck", "Free delivery above ₹999", ""}, {"return", "Seven days to change your mind", ""}, {"whatsapp", "We answer on WhatsApp", ""}},
		WhatsApp: "https://wa.me/919876543210", Phone: "+91 98765 43210", Email: "namaste@mitti.example.com",
		Address: "Mitti & Dhaga Crafts\nNear Jubilee Ground, Bhuj\nGujarat 370001",
	}
}

// dressed is a shop with a theme and its stylesheet.
func themes() map[string][]byte {
	out := map[string][]byte{}
	for _, t := range []design.Theme{
		{Accent: "#9a3f22", Background: "#fffdf9", Text: "#241b16", Font: "serif"},
		{Accent: "#ffd400", Background: "#ffffff", Text: "#222222", Font: "rounded"},
		{Accent: "#39d0a0", Background: "#10201c", Text: "#e9f5f0", Font: "mono"},
	} {
		css, err := design.ThemeCSS(t)
		if err != nil {
			panic(err)
		}
		out[design.ThemePath(css)] = css
	}
	return out
}

func goods() []Card {
	var out []Card
	for i, g := range []struct {
		name     string
		now, was int64
		gone     bool
		varies   bool
	}{
		{"Terracotta water bottle, 1 litre", 649, 799, false, false}, {"Block-printed cotton table runner", 899, 0, false, true},
		{"Brass oil lamp with leaf handle", 1450, 0, false, false}, {"Indigo dabu cushion cover", 549, 749, false, true},
		{"Stoneware chai mugs, set of four", 1299, 0, true, false}, {"Blue pottery serving bowl", 1899, 2400, false, false},
		{"Handwoven jute floor mat", 2249, 0, false, true}, {"Clay dinner plate", 425, 0, false, false},
		{"Kantha bedspread, queen", 4999, 6500, false, true}, {"Copper water jug", 1749, 0, false, false},
		{"Cane pendant lamp", 3299, 0, false, false}, {"Ajrakh napkins, set of six", 999, 0, true, false},
	} {
		c := Card{Href: ProductPath(fmt.Sprint("thing-", i), ""), Title: g.name, Image: drawn(i, g.name, 1200, 1200), Price: Price{Now: inr(g.now), Varies: g.varies}, Available: !g.gone}
		if g.was > 0 {
			c.Price.Was = inrp(g.was)
		}
		if i == 2 {
			c.Badge = "New"
		}
		out = append(out, c)
	}
	return out
}

func tilesOf(s Shop) []Tile {
	var out []Tile
	for i, l := range s.Nav[:6] {
		out = append(out, Tile{Href: l.Href, Title: l.Label, Image: drawn(i*2+1, "", 1200, 1500), Count: 12 + i*7})
	}
	return out
}

func home() Home {
	s := usual()
	return Home{Page: Page{Shop: s, Description: s.Tagline, Canonical: "/", Image: drawn(9, "A table laid with pottery", 1600, 1000)}, Sections: []Section{
		{Kind: "banner", Title: "Winter table, by hand", Text: "New stoneware and block prints from eleven families in Kutch.", Href: CollectionPath("pottery"), Label: "See what is new", Image: drawn(9, "A table laid with pottery", 1600, 1000)},
		{Kind: "featured", Title: "New this week", Href: PathAll, Products: goods()[:8]},
		{Kind: "collections", Title: "Shop by room", Href: PathCollections, Tiles: tilesOf(s)},
		{Kind: "text", Title: "Made by people we know", Text: "We have bought from the same eleven families since 2009. They set the price; we add our costs and say what they are.\n\nEvery piece is signed underneath.", Href: PolicyPath("contact"), Label: "Meet the makers"},
	}}
}

func listing() Listing {
	return Listing{
		Action: CollectionPath("pottery"), Cards: goods(), Total: 128, Sort: "featured",
		Sorts:     []design.Choice{{Value: "featured", Label: "Featured"}, {Value: "newest", Label: "Newest"}, {Value: "price", Label: "Price, low to high"}, {Value: "-price", Label: "Price, high to low"}},
		Available: true, Min: "500", Low: inrp(99), High: inrp(6500), Symbol: "₹",
		Options: []Filter{
			{"Colour", []FilterValue{{"Indigo", 24, true}, {"Terracotta", 18, false}, {"Sea green", 9, false}, {"Ivory", 31, false}}},
			{"Size", []FilterValue{{"Small", 40, false}, {"Medium", 52, false}, {"Large", 33, false}}},
		},
		Active: []Link{{"In stock", "?"}, {"From ₹500", "?"}, {"Indigo", "?"}}, Clear: CollectionPath("pottery"),
		Pages: design.Pages{Page: 3, Last: 11, Label: "Pages", Prev: "Previous page", Next: "Next page", Href: func(n int) string { return fmt.Sprintf("?page=%d", n) }},
	}
}

func collection() Collection {
	return Collection{
		Page: Page{Shop: usual(), Title: "Pottery", Description: "Stoneware, terracotta and blue pottery.", Canonical: CollectionPath("pottery"), Current: CollectionPath("pottery")},
		Name: "Pottery", Handle: "pottery", Text: "Stoneware, terracotta and blue pottery, thrown and fired in Kutch and Jaipur. No two pieces are quite alike.",
		Trail:   []design.Crumb{{Label: "Home", Href: "/"}, {Label: "Pottery"}},
		Listing: listing(),
	}
}

func product() Product {
	name := "Indigo dabu cushion cover"
	p := Product{
		Page:   Page{Shop: usual(), Title: name, Description: "Mud-resist printed cotton, dipped six times in natural indigo.", Canonical: ProductPath("cushion", ""), Image: drawn(3, name, 1200, 1200)},
		Handle: "cushion", Name: name, Vendor: "Khatri family, Ajrakhpur", Trail: []design.Crumb{{Label: "Home", Href: "/"}, {Label: "Textiles", Href: CollectionPath("textiles")}, {Label: name}},
		HTML:    "<p>Mud-resist printed cotton, dipped six times in natural indigo and washed in the river. The colour settles over the first washes and then stays for years.</p><h3>Care</h3><ul><li>Wash by hand in cold water</li><li>Dry in the shade</li><li>Iron from the inside</li></ul><p>Cushion not included.</p>",
		Price:   Price{Now: inr(549), Was: inrp(749)},
		Variant: "01J", SKU: "MD-CC-IND-45", Available: true, Left: 3, MaxQuantity: 3,
		Options: []Option{
			{"Colour", "Indigo", []OptionValue{{"Indigo", "?variant=1", true, drawn(3, "", 640, 640)}, {"Madder", "?variant=2", true, drawn(8, "", 640, 640)}, {"Iron black", "?variant=3", false, drawn(13, "", 640, 640)}}},
			{"Size", "45 cm", []OptionValue{{"40 cm", "?variant=4", true, nil}, {"45 cm", "?variant=1", true, nil}, {"60 cm", "?variant=5", false, nil}, {"80 cm", "", false, nil}}},
		},
		Promises: []Promise{{"truck", "Delivery ₹49, free above ₹999", ""}, {"cash", "Pay in cash when it comes, or by UPI", ""}, {"return", "Seven days to change your mind", ""}},
		Facts:    []Pair{{"Material", "Cotton, 240 g/m²"}, {"Made in", "Ajrakhpur, Kutch"}, {"Weight", "180 g"}},
		Related:  goods()[4:8], Share: "https://wa.me/?text=x",
	}
	for i := range 5 {
		p.Images = append(p.Images, *drawn(3+i*5, fmt.Sprintf("%s, picture %d", name, i+1), 1200, 1200))
	}
	return p
}

func cartLines() []Line {
	return []Line{
		{ID: "a1", Variant: "v1", Href: "/products/cushion", Title: "Indigo dabu cushion cover", Options: "Indigo / 45 cm", Image: drawn(3, "", 640, 640), Quantity: 2, Max: 3, Each: inr(549), Total: inr(1098)},
		{ID: "a2", Variant: "v2", Href: "/products/mugs", Title: "Stoneware chai mugs, set of four", Image: drawn(4, "", 640, 640), Quantity: 1, Each: inr(1299), Total: inr(1299)},
		{ID: "a3", Variant: "v3", Href: "/products/mat", Title: "Handwoven jute floor mat", Options: "120 × 180 cm", Image: nil, Quantity: 1, Each: inr(2249), Total: inr(2249)},
	}
}

func bill() Sum {
	return Sum{Subtotal: inr(4646), Delivery: inrp(0), Total: inr(4646), Tax: "Prices include taxes."}
}

func cart() Cart {
	s := bill()
	s.Delivery, s.Free = nil, "You have free delivery"
	return Cart{Page: Page{Shop: usual(), Title: "Your cart", NoIndex: true, CartCount: 4}, Lines: cartLines(), Sum: s, Removed: &cartLines()[1]}
}

func checkout() Checkout {
	return Checkout{
		Page: Page{Shop: usual(), Title: "Checkout", NoIndex: true, CartCount: 4}, Lines: cartLines(), Sum: bill(),
		Values: map[string]string{FieldCountry: "IN"}, Countries: []design.Choice{{Value: "IN", Label: "India"}},
		States: []design.Choice{{Value: "GJ", Label: "Gujarat"}, {Value: "MH", Label: "Maharashtra"}, {Value: "TN", Label: "Tamil Nadu"}}, PostLabel: "PIN code", Dial: "98765 43210",
		Payments: []design.Choice{{Value: "cod", Label: "Cash on delivery", Note: "Pay when it reaches you", Icon: "cash"}, {Value: "upi", Label: "UPI", Note: "Any app, by link or QR code, on the next page", Icon: "qr"}}, Key: "k1",
	}
}

func refused() Checkout {
	c := checkout()
	c.Values = map[string]string{FieldName: "Meera Deshpande", FieldPhone: "98765", FieldCountry: "IN", FieldPayment: "upi", FieldLine1: "12, Shanti Niwas"}
	c.Errors = map[string]string{FieldPhone: "This number is too short for India. It has ten digits.", FieldPostalCode: "Write the six digits of the PIN code.", FieldState: "Choose a state."}
	return c
}

func placed() Order {
	at := noon.Add(9 * time.Minute)
	return Order{
		Page: Page{Shop: usual(), Title: "Order 1042", NoIndex: true}, Number: "#1042", Heading: "Thank you, Meera", Text: "We have your order and will pack it once your payment is here.",
		Steps: []Step{{"Placed", "done", &noon}, {"Accepted", "done", &at}, {"On its way", "now", nil}, {"Delivered", "next", nil}},
		Lines: cartLines(), Sum: bill(), Contact: []string{"Meera Deshpande", "+91 98765 43210"}, Ship: []string{"Meera Deshpande", "12, Shanti Niwas, Prabhat Road", "Pune, Maharashtra 411004", "India"},
		Payment: "UPI", Paid: "Waiting for payment", PaidKind: "warn", Placed: noon, Zone: ist,
		UPI:      &UPI{Link: "upi://pay?pa=mitti@okbank&pn=Mitti%20%26%20Dhaga&am=4646.00&cu=INR&tn=Order%201042", VPA: "mitti@okbank", Payee: "Mitti & Dhaga Crafts", Amount: inr(4646), Note: "We confirm as soon as the money arrives, usually within the hour."},
		Tracking: &Tracking{"Delhivery", "1490817263544", "https://example.com/t"},
	}
}

// pages are every page in every state worth looking at, by file name.
func pages() map[string]interface{ component } {
	all := map[string]interface{ component }{}
	add := func(name string, v interface{ component }) { all[name] = v }
	add("home", home())
	h := home()
	h.Sections[0].Image = nil
	h.Shop.Name, h.Shop.Tagline, h.Shop.ThemeCSS = strings.Repeat("Sri Venkateswara Handloom & Handicrafts ", 3), long, ""
	h.Sections[0].Title, h.Sections[0].Text = long, long+long
	for i := range h.Sections[1].Products {
		h.Sections[1].Products[i].Title = long
		h.Sections[1].Products[i].Vendor = long
		h.Sections[1].Products[i].Price = Price{Now: inr(123456789), Was: inrp(987654321)}
	}
	for i := range h.Shop.Nav {
		h.Shop.Nav[i].Label = long
	}
	h.Shop.Policies[0].Label = long
	add("home-long", h)
	add("home-empty", Home{Page: Page{Shop: usual(), Canonical: "/"}})
	add("collections", Collections{Page: Page{Shop: usual(), Title: "Collections", Canonical: PathCollections}, Tiles: tilesOf(usual())})
	add("collection", collection())
	plain := collection()
	plain.Listing.Active, plain.Listing.Options, plain.Listing.High, plain.Available = nil, nil, nil, false
	add("collection-plain", plain)
	none := collection()
	none.Cards, none.Total, none.Listing.Pages.Last = nil, 0, 1
	add("collection-none", none)
	add("product", product())
	out := product()
	out.Available, out.Left, out.Price.Was, out.Images, out.Related = false, 0, nil, out.Images[:1], nil
	add("product-out", out)
	p := product()
	p.Name, p.Vendor, p.Title = long, long, long
	p.HTML = strings.Repeat("<p>"+long+"</p><table><tr><th>Size</th><th>Width</th><th>Height</th><th>Depth</th><th>Weight</th></tr><tr><td>Extra large</td><td>1200 mm</td><td>1200 mm</td><td>1200 mm</td><td>12 kg</td></tr></table>", 4)
	for i := range p.Options {
		p.Options[i].Name = long
		for j := range p.Options[i].Values {
			p.Options[i].Values[j] = OptionValue{Value: fmt.Sprint(j, " ", long), Href: "?", Available: j != 1}
		}
		p.Options[i].Chosen = p.Options[i].Values[0].Value
	}
	p.Price = Price{Now: inr(123456789), Was: inrp(987654321)}
	add("product-long", p)
	p = product()
	p.Shop.Lang, p.Name, p.Vendor, p.Shop.Name = "hi", "हाथ से बनी नीली मिट्टी की सुराही, बड़ी — सर्दियों का संग्रह", "कुम्हार परिवार, जयपुर", "मिट्टी और धागा"
	p.HTML = "<p>जयपुर की नीली मिट्टी से बनी यह सुराही पानी को ठंडा रखती है। हर सुराही हाथ से रंगी जाती है, इसलिए कोई दो एक-सी नहीं होतीं।</p>"
	add("product-hindi", p)
	p = product()
	p.Shop.Lang, p.Shop.RTL, p.Name, p.Shop.Name = "ar", true, "غطاء وسادة نيلي مطبوع يدويًا", "بيت الطين"
	add("product-rtl", p)
	s := Search{Page: Page{Shop: usual(), Title: "indigo", NoIndex: true, Query: "indigo"}, Listing: listing()}
	s.Action, s.Active, s.Keep = PathSearch, nil, []Pair{{FieldQuery, "indigo"}}
	add("search", s)
	add("search-none", Search{Page: Page{Shop: usual(), Title: "xyzzy", NoIndex: true, Query: "xyzzy"}, Suggestions: usual().Nav, Popular: goods()[:4]})
	add("cart", cart())
	c := cart()
	c.Lines[1].Problem, c.Lines[0].Title, c.Lines[0].Options, c.Removed = "Sold out", long, long, nil
	c.Lines[0].Total = inr(123456789)
	c.Notice = "The price of one thing changed since you added it."
	add("cart-trouble", c)
	add("cart-empty", Cart{Page: Page{Shop: usual(), Title: "Your cart", NoIndex: true}, Popular: goods()[:4]})
	add("checkout", checkout())
	add("checkout-refused", refused())
	add("order", placed())
	o := placed()
	o.UPI, o.Tracking, o.Cancelled, o.Text, o.Heading = nil, nil, true, "Nothing was charged.", "Your order was cancelled"
	add("order-cancelled", o)
	add("policy", Text{Page: Page{Shop: usual(), Title: "Returns", Canonical: PolicyPath("returns")}, Heading: "Returns", Plain: "Tell us within seven days and we take it back.\n\nSend it in the box it came in. We pay the way back when the mistake was ours."})
	for _, kind := range []string{"missing", "gone", "closed", "busy", "broken", "slow-down"} {
		add("fault-"+kind, Fault{Page: Page{Shop: usual()}, Kind: kind, Ref: "7f3a91"})
	}
	add("fault-unknown-host", Fault{Kind: "unknown-host", Host: "mitty.example.com", Platform: "https://example.com"})
	for name, theme := range map[string]design.Theme{"yellow": {Accent: "#ffd400", Background: "#ffffff", Text: "#222222", Font: "rounded"}, "night": {Accent: "#39d0a0", Background: "#10201c", Text: "#e9f5f0", Font: "mono"}} {
		css, err := design.ThemeCSS(theme)
		if err != nil {
			panic(err)
		}
		v := product()
		v.Shop.ThemeCSS = design.ThemePath(css)
		add("product-"+name, v)
	}
	return all
}
