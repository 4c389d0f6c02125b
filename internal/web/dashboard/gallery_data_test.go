package dashboard

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	qrcode "rsc.io/qr"

	"github.com/a-h/templ"

	"haat/internal/notify"
	"haat/internal/search"
)

const (
	endless  = "Traditional Hand-Thrown Khurja Blue Pottery Stoneware Chai Kulhad With Lotus Relief, Food-Safe Lead-Free Glaze, Set Of Six In A Reusable Jute Gift Box (Limited Festival Edition)"
	unbroken = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
)

var (
	ist     = time.FixedZone("IST", 5*3600+1800)
	present = time.Date(2026, 11, 23, 16, 42, 0, 0, ist)
	names   = []string{"Ananya Iyer", "Rohan Mehta", "लक्ष्मी नारायणन", "Fatima Sheikh", "Gurpreet Singh", "Meenakshi Sundaram", "D'Souza, Alwyn", "রহিমা খাতুন", "Kabir", "Bhavani Venkatasubramanian-Chattopadhyay"}
	places  = []string{"Bengaluru", "Pune", "चेन्नई", "Lucknow", "Amritsar", "Madurai", "Panaji", "Kolkata"}
	goods   = []string{"Blue pottery mug", "Kulhad, set of six", "Terracotta planter, large", "नीली सुराही", "Stoneware dinner plate", "Ash-glazed vase", "Spice jar with lid", endless, "Incense holder", "Salt pig"}
)

func picture1(i int) Image {
	if i%7 == 5 {
		return Image{}
	}
	src := fmt.Sprintf("/pictures/%d.svg", i%12)
	return Image{Hash: fmt.Sprintf("hash%d", i), Src: src, Large: src, Width: 640, Height: 640}
}

func frame(section, head string) Frame {
	return Frame{
		Title: head, Lang: "en-IN", Section: section, CSRF: "token", Now: present, Zone: ist,
		ShopName: "Meera's Pottery", ShopURL: "http://meeras-pottery.localhost:8080", Base: "/shops/meeras-pottery",
		Shops: 2, Waiting: 3,
	}
}

func longFrame(section, head string) Frame {
	f := frame(section, head)
	f.ShopName = "Shree Balaji Traditional Handicrafts, Pottery and Home Furnishings Emporium (Since 1947) " + unbroken
	f.Waiting = 128
	f.Suspended = "The operator closed it on 22 November: unpaid domain. Write to help@example.com."
	f.Flash = Flash{Text: "Order #1042 was cancelled and its 3 items are back in stock", Undo: &Undo{Action: "/shops/x/orders/1/restore"}}
	return f
}

func rupees(v float64) string { return "₹" + commas(int64(math.Round(v))) }

func commas(n int64) string {
	s := fmt.Sprint(n)
	if len(s) <= 3 {
		return s
	}
	head, tail := s[:len(s)-3], s[len(s)-3:]
	for len(head) > 2 {
		tail = head[len(head)-2:] + "," + tail
		head = head[:len(head)-2]
	}
	return head + "," + tail
}

func orderRows(n int) []OrderRow {
	states := []Status{{"New", "accent"}, {"To send", "info"}, {"Sent", "good"}, {"Cancelled", ""}}
	pays := []Status{{"Cash", ""}, {"Paid", "good"}, {"UPI to confirm", "warn"}, {"Refund due", "bad"}}
	rows := make([]OrderRow, n)
	at := present.Add(-25 * time.Second)
	for i := range rows {
		s := []int{0, 0, 1, 2, 2, 0, 3, 2}[i%8]
		rows[i] = OrderRow{
			URL: "/shops/meeras-pottery/orders/1", Number: fmt.Sprintf("#%d", 5012-i), Customer: names[i%len(names)],
			Place: places[i%len(places)], Items: fmt.Sprintf("%d items", 2+i%4), Total: rupees(float64(450 + i*377%9000)),
			At: at, State: states[s], Payment: pays[(i*3+s)%3], New: s == 0,
		}
		at = at.Add(-time.Duration(7+i*13%140) * time.Minute)
	}
	return rows
}

func link() ShareLink {
	return ShareLink{
		URL: "http://meeras-pottery.localhost:8080", Short: "meeras-pottery.localhost:8080",
		WhatsAppURL: "https://wa.me/?text=x", Message: "Have a look at my shop: http://meeras-pottery.localhost:8080",
	}
}

func qrOf(text string) QR {
	c, err := qrcode.Encode(text, qrcode.M)
	if err != nil {
		panic(err)
	}
	q := QR{Modules: make([][]bool, c.Size)}
	for y := range q.Modules {
		q.Modules[y] = make([]bool, c.Size)
		for x := range q.Modules[y] {
			q.Modules[y][x] = c.Black(x, y)
		}
	}
	return q
}

func today(f Frame, busy bool) Today {
	v := Today{Frame: f, LiveURL: f.Base + "/live", Link: link()}
	for h := range 24 {
		v.Hours.Labels = append(v.Hours.Labels, time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC).Format("3 pm"))
		y, now := 0.0, 0.0
		if busy && h > 6 {
			y = 300 + 900*math.Abs(math.Sin(float64(h)*0.55)) - float64(h%3)*120
			now = y * (0.7 + 0.6*math.Abs(math.Cos(float64(h))))
		}
		v.Hours.Yesterday, v.Hours.VisitsYesterday = append(v.Hours.Yesterday, y), append(v.Hours.VisitsYesterday, math.Round(y/31))
		if h <= 16 {
			v.Hours.Today, v.Hours.Visits = append(v.Hours.Today, now), append(v.Hours.Visits, math.Round(now/27))
		}
	}
	v.Hours.Format, v.Days.Format = rupees, rupees
	v.Days.Range = 30
	for d := range 30 {
		val := 0.0
		if busy {
			val = 6000 + 5000*math.Sin(float64(d)*0.9) + float64(d)*140
		}
		v.Days.Labels = append(v.Days.Labels, present.AddDate(0, 0, d-29).Format("2 Jan"))
		v.Days.Values, v.Days.Visits = append(v.Days.Values, val), append(v.Days.Visits, math.Round(math.Max(0, val)/35))
	}
	if !busy {
		v.Numbers = TodayNumbers{Sales: "₹0", SalesMore: "Nothing yet today", Orders: "0", OrdersMore: "none last Monday", Visits: "0", WaitingURL: f.Base + "/orders?state=placed"}
		v.Days.Total, v.Days.More = "₹0", ""
		v.Steps = []Step{
			{Title: "Add your first product", Text: "A photo, a name and a price.", URL: f.Base + "/quick", Action: "Add", Icon: "camera"},
			{Title: "Take UPI payments", Text: "Cash on delivery is on already.", URL: f.Base + "/settings/payments", Action: "Set up", Icon: "cash"},
			{Title: "Name the shop", Text: "", URL: f.Base + "/settings", Action: "Done", Icon: "shop", Done: true},
			{Title: "Send your link to five people", Text: "They are your first customers.", URL: f.Base + "/share", Action: "Share", Icon: "share"},
		}
		return v
	}
	v.Numbers = TodayNumbers{
		Sales: "₹12,480", SalesMore: "18 % above last Monday by now", SalesTrend: "up", Orders: "14", OrdersMore: "11 last Monday by now",
		Average: "₹2,891.75", Visits: "412", Conversion: "3.3 % ordered", Waiting: f.Waiting, WaitingURL: f.Base + "/orders?state=placed", OldestWait: "oldest 25 min ago",
	}
	v.Days.Total, v.Days.More = "₹2,41,300", "₹8,043 a day, 12 % above the 30 days before"
	v.Hours.VisitsSummary, v.Days.VisitsSum, v.Days.Conversion = "412 visits today.", "7,214 visits", "3.7 % ordered"
	for i, title := range []string{"Blue Chai Mug, hand-thrown, with a handle that stays cool", "Kulhad set of six", "Serving bowl", "Vase", "Plate"} {
		v.Sold = append(v.Sold, SoldRow{Title: title, URL: "#", Units: fmt.Sprint(61-11*i, " units"), Sales: rupees(float64(41_310 - 7_000*i))})
	}
	v.Recent = orderRows(9)
	return v
}

func orders(f Frame, n int) Orders {
	return Orders{
		Frame: f, Total: "5,012 orders", Rows: orderRows(n), Link: link(),
		Tabs: []Tab{
			{Label: "All", URL: "#", Count: "5,012", On: true}, {Label: "To accept", URL: "#", Count: "3"}, {Label: "To send", URL: "#", Count: "12"},
			{Label: "Sent", URL: "#", Count: "4,871"}, {Label: "To be paid", URL: "#", Count: "41"}, {Label: "Cancelled", URL: "#", Count: "85"},
		},
		Pager: Pager{Prev: "#", Next: "#", Note: "51–100 of 5,012"},
	}
}

func anOrder(f Frame, primary string) Order {
	v := Order{
		Frame: f, URL: f.Base + "/orders/1", Number: "#5012", At: present.Add(-12 * time.Minute),
		State: Status{"New", "accent"}, Payment: Status{"Cash on delivery", ""}, Total: "₹2,847.00",
		Sums:     []Sum{{"3 items", "₹2,798.00"}, {"Delivery", "₹49.00"}},
		Customer: "Ananya Iyer", CustomerURL: "#", Phone: "+91 98765 43210", TelURL: "tel:+919876543210", WhatsAppURL: "https://wa.me/919876543210", Email: "ananya.iyer@example.com",
		Address: []string{"Ananya Iyer", "14, 3rd Cross, Lakshmi Layout", "Near Ganesha Temple, Koramangala", "Bengaluru 560034", "Karnataka, India"}, MapURL: "https://maps.example",
		Note: "Please ring the bell twice, the dog is friendly.", Method: "Cash on delivery", StatusURL: "#", Prev: "#", Next: "#",
		Timeline: []Moment{
			{At: present.Add(-4 * time.Minute), Title: "Note", Text: "Called: she is home after six.", By: "you", Icon: "note"},
			{At: present.Add(-12 * time.Minute), Title: "Told the customer by SMS", Icon: "message", Kind: "info"},
			{At: present.Add(-12 * time.Minute), Title: "Ordered in the shop", By: "Ananya Iyer", Icon: "bag", Kind: "good"},
		},
		Actions: OrderActions{Primary: primary, Accept: primary == "accept", Fulfil: true, Paid: true, Cancel: true},
		Cancel:  CancelForm{Restock: true, Reasons: []Choice{{Value: "", Label: "Choose a reason"}, {Value: "stock", Label: "Sold out"}, {Value: "customer", Label: "The customer asked"}}},
		PayNote: "Due when it is delivered.",
	}
	for i := range 3 {
		v.Lines = append(v.Lines, OrderLine{Image: picture1(i), Title: goods[i], Variant: "Indigo / Large", SKU: fmt.Sprintf("MUG-%03d", i), Quantity: 1 + i%2, Price: "₹699", Total: "₹1,399", URL: "#"})
	}
	return v
}

func longOrder() Order {
	v := anOrder(longFrame(SectionOrders, "Order"), "fulfil")
	v.Customer, v.Email = names[9]+" "+unbroken, "a.very.long.address.for.one.person@"+unbroken[:40]+".example"
	v.Lines[0].Title, v.Lines[0].Variant = endless, "Indigo with a hand-painted double lotus border / Extra large, family size / Festival packing"
	v.Total, v.Sums[0].Amount = "₹12,34,56,789.00", "₹12,34,56,740.00"
	v.Problems = Problems{"link": "This is not an address: it must begin with https://"}
	v.Cancel.Refund = "₹2,847.00 was paid by UPI. Send it back to ananya@okbank yourself; we only remember that it is due."
	return v
}

func products(f Frame, n int) Products {
	v := Products{
		Frame: f, Total: "5,204 products", BulkURL: f.Base + "/products/bulk",
		Tabs:  []Tab{{Label: "All", URL: "#", Count: "5,204", On: true}, {Label: "Active", URL: "#", Count: "4,980"}, {Label: "Draft", URL: "#", Count: "24"}, {Label: "Sold out", URL: "#", Count: "131"}, {Label: "Archived", URL: "#", Count: "200"}},
		Pager: Pager{Next: "#", Note: "1–50 of 5,204"},
	}
	for i := range n {
		r := ProductRow{ID: fmt.Sprint(i), URL: "#", Image: picture1(i), Title: goods[i%len(goods)], Note: "6 variants · Meera's Pottery", Price: "₹499 – ₹1,24,899", Stock: fmt.Sprintf("%d in stock", 3+i*7), State: Status{"Active", "good"}}
		switch i % 5 {
		case 1:
			r.Stock, r.StockBad, r.Price, r.Note = "Sold out", true, "₹899", "Mug"
		case 2:
			r.State, r.Price = Status{"Draft", ""}, "₹1,250"
		case 3:
			r.Stock, r.Price = "Always available", "₹350"
		}
		v.Rows = append(v.Rows, r)
	}
	return v
}

func bulk(f Frame) Bulk {
	v := Bulk{Frame: f, Currency: "₹", BackURL: "#", Pager: Pager{Next: "#", Note: "1–100 of 12,418 variants"}, Problems: Problems{"price-3": "“12o” is not an amount"}}
	for i := range 24 {
		v.Rows = append(v.Rows, BulkRow{Variant: fmt.Sprint(i), Product: goods[i/3%len(goods)], Name: []string{"Small / Indigo", "Medium / Indigo", "Large / Indigo"}[i%3], First: i%3 == 0, Price: fmt.Sprintf("%d.00", 399+i*50), Stock: fmt.Sprint(i * 3 % 17)})
	}
	v.Rows[3].Price = "12o"
	return v
}

func product(f Frame, options bool) Product {
	v := Product{
		Frame: f, URL: f.Base + "/products/1", ID: "1", ViewURL: "#", State: Status{"Active", "good"}, UpdatedAt: present.Add(-26 * time.Hour), Heading: "Blue pottery mug",
		Currency: "₹", UploadURL: f.Base + "/products/1/images", Host: "meeras-pottery.localhost:8080",
		Collections: []Choice{{Value: "a", Label: "Mugs"}, {Value: "b", Label: "Gifts under ₹500", Note: "by rule", Disabled: true}, {Value: "c", Label: "New in"}},
		TaxClasses:  []Choice{{Value: "", Label: "Standard"}, {Value: "gst5", Label: "GST 5 %"}},
		Form: ProductForm{
			Title: "Blue pottery mug", Description: "<p>Thrown by hand in Khurja, glazed in cobalt.</p>\n<ul><li>350 ml</li><li>Dishwasher safe</li></ul>", Status: "active", Vendor: "Meera's Pottery", Type: "Mug",
			Tags: "blue, mug, handmade", Images: []Image{picture1(0), picture1(1), picture1(2), picture1(3)}, Collections: []string{"a"}, Handle: "blue-pottery-mug",
			Variants: []VariantForm{{ID: "1", Price: "499.00", Compare: "650.00", Stock: "12", SKU: "MUG-001", Weight: "420", Tracked: true}},
		},
	}
	if options {
		v.Form.Options = []OptionForm{{"Size", "Small, Medium, Large"}, {"Colour", "Indigo, Terracotta"}}
		v.Form.Variants = nil
		for _, s := range []string{"Small", "Medium", "Large"} {
			for _, c := range []string{"Indigo", "Terracotta"} {
				v.Form.Variants = append(v.Form.Variants, VariantForm{ID: s + c, Title: s + " / " + c, Options: []string{s, c}, Price: "499.00", Stock: fmt.Sprint(len(s) * 2), SKU: "MUG-" + s[:1]})
			}
		}
	}
	return v
}

func collection(f Frame, kind string) Collection {
	v := Collection{
		Frame: f, URL: "#", ViewURL: "#", Heading: "Gifts under ₹500", Title: "Gifts under ₹500", Kind: kind, All: true, Handle: "gifts",
		Conditions: []Condition{{"price", "below", "500"}, {"tag", "equals", "gift"}}, Matches: "128 products",
		Fields:    []Choice{{Value: "title", Label: "Title"}, {Value: "tag", Label: "Tag"}, {Value: "type", Label: "Type"}, {Value: "vendor", Label: "Vendor"}, {Value: "price", Label: "Price"}, {Value: "stock", Label: "Stock"}},
		Relations: []Choice{{Value: "equals", Label: "is"}, {Value: "not", Label: "is not"}, {Value: "contains", Label: "contains"}, {Value: "below", Label: "is below"}, {Value: "above", Label: "is above"}},
	}
	for i := range 9 {
		v.Picked = append(v.Picked, PickedProduct{ID: fmt.Sprint(i), Title: goods[i], Price: "₹499", Image: picture1(i), In: true})
	}
	if kind == "manual" {
		v.Find = "mug"
		v.Found = []PickedProduct{{ID: "x", Title: "Sunrise mug", Price: "₹399", Image: picture1(4)}, {ID: "y", Title: "Travel mug", Price: "₹799", Image: picture1(6)}}
	}
	return v
}

func importRun(f Frame, status string, dry bool) Import {
	v := Import{
		Frame: f, URL: "#", File: "products_export_2026-11-20 (final) (2).csv", Status: status, DryRun: dry, At: present, Rows: 8240, Done: 5120,
		Remains: "about 20 s left", Speed: "180 rows a second", LiveURL: "#live", ErrorsURL: "#", ApplyURL: "#apply", More: "and 212 more",
		Counts:  []Count{{"Products to add", "1,204"}, {"To change", "37"}, {"Unchanged", "12"}, {"Variants", "3,318"}},
		Images:  ImageCounts{Queued: 412, Done: 2210, Failed: 3, Failures: []ImageFailure{{"https://cdn.shopify.com/s/files/1/0000/0001/products/" + unbroken + ".jpg?v=15698", goods[7], "The server answered 404"}}},
		Unknown: []string{"Google Shopping / Gender", "Color (product.metafields.shopify.color-pattern)", "Included / India"},
		Failure: "The file ends in the middle of a row (row 5,121).",
		Errors: []RowError{
			{Row: 12, Column: "Variant Price", Value: "12,oo", Text: "This is not an amount.", Fatal: true},
			{Row: 431, Column: "Variant Inventory Qty", Value: "-4", Text: "Stock below nothing is taken as 0."},
			{Row: 1203, Column: "Option4 Name", Value: unbroken, Text: "A product has three options at most; the fourth was left out.", Fatal: true},
		},
	}
	return v
}

func gallery() map[string]templ.Component {
	f := frame
	topics := []Topic{{"order.placed", "An order is placed", true}, {"order.paid", "An order is paid", false}, {"product.saved", "A product is added or changed, its price too", true}}
	empty := f(SectionToday, "Today")
	empty.Waiting = 0
	longToday := today(longFrame(SectionToday, "Today"), true)
	longToday.Numbers.Sales, longToday.Numbers.SalesTrend, longToday.Numbers.SalesMore = "₹12,34,56,789", "down", "64 % below last Monday by now"
	flash := f(SectionOrders, "Orders")
	flash.Flash = Flash{Text: "Order #5012 accepted", Undo: &Undo{Action: "#"}}
	pub := func(head string) Public { return Public{Title: head, CSRF: "token", Now: present, Dev: true} }
	in := pub("Your shops")
	in.SignedIn = true
	badProduct := product(f(SectionProducts, "Product"), true)
	badProduct.Problems = Problems{"title": "Give it a name", "variant-2-price": "“4o0” is not an amount"}
	badProduct.Form.Title, badProduct.Heading = "", endless
	newProduct := product(f(SectionProducts, "New product"), false)
	newProduct.New, newProduct.ViewURL, newProduct.Form = true, "", ProductForm{Status: "active", Variants: []VariantForm{{}}}
	countries := []Choice{{Value: "IN", Label: "India"}, {Value: "NP", Label: "Nepal"}, {Value: "DE", Label: "Germany"}}
	delivery := Delivery{Frame: f(SectionSettings, "Delivery"), Currency: "₹", Charge: "49", FreeAbove: "999"}
	for i, n := range []string{"India", "Nepal", "Bangladesh", "Sri Lanka", "Bhutan", "Maldives", "United Arab Emirates", "Singapore", "United Kingdom", "United States"} {
		delivery.Countries = append(delivery.Countries, CountryChoice{Code: n[:2] + fmt.Sprint(i), Name: n, On: i == 0})
	}
	upi := qrOf("upi://pay?pa=meera@okbank&am=1.00")
	shop := qrOf(link().URL)
	logo := picture1(3)
	customers := Customers{Frame: f(SectionCustomers, "Customers"), Total: "3,410 people", Pager: Pager{Next: "#", Note: "1–50 of 3,410"}}
	for i := range 20 {
		customers.Rows = append(customers.Rows, CustomerRow{URL: "#", Name: names[i%len(names)], Phone: "+91 98765 4321" + fmt.Sprint(i%10), Email: "person@example.com", Place: places[i%8], Orders: fmt.Sprintf("%d orders", 1+i%9), Spent: rupees(float64(900 + i*1733)), Last: present.Add(-time.Duration(i*9) * time.Hour)})
	}
	spec, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		panic(err)
	}
	api, err := ReadOpenAPI(spec, "http://localhost:8080")
	if err != nil {
		panic(err)
	}
	poster := Poster{Frame: f(SectionShare, "Poster"), Size: "a4", Heading: "Meera's Pottery", Text: "Scan to see everything and order", Link: link(), QR: shop, Accepts: []string{"Cash on delivery", "UPI"}}
	card := poster
	card.Size, card.Heading = "a6", longFrame("", "").ShopName
	products1 := make([]ShareProduct, 4)
	for i := range products1 {
		products1[i] = ShareProduct{Image: picture1(i), Title: goods[i+4], Price: "₹499", URL: "#", WhatsAppURL: "#"}
	}
	noOrders := Orders{Frame: empty, Empty: true, Link: link(), Total: ""}
	noOrders.Section = SectionOrders
	collections := Collections{Frame: f(SectionCollections, "Collections")}
	for i, c := range []string{"Mugs", "Gifts under ₹500", "New in", "Planters and pots for balconies that get no sun at all"} {
		collections.Rows = append(collections.Rows, CollectionRow{URL: "#", Title: c, Products: fmt.Sprintf("%d products", 8+i*40), Image: picture1(i), Rule: []string{"", "Price below 500 and tag is gift"}[i%2]})
	}
	return map[string]templ.Component{
		"today":             today(f(SectionToday, "Today"), true).Page(),
		"today-empty":       today(empty, false).Page(),
		"today-long":        longToday.Page(),
		"orders":            orders(flash, 50).Page(),
		"orders-empty":      noOrders.Page(),
		"order":             anOrder(f(SectionOrders, "Order #5012"), "accept").Page(),
		"order-long":        longOrder().Page(),
		"products":          products(f(SectionProducts, "Products"), 50).Page(),
		"products-empty":    Products{Frame: f(SectionProducts, "Products"), Empty: true}.Page(),
		"bulk":              bulk(f(SectionProducts, "Prices and stock")).Page(),
		"product":           product(f(SectionProducts, "Product"), true).Page(),
		"product-errors":    badProduct.Page(),
		"product-new":       newProduct.Page(),
		"quick":             Quick{Frame: f(SectionAdd, "Quick add"), Currency: "₹", Last: &products1[0]}.Page(),
		"quick-errors":      Quick{Frame: f(SectionAdd, "Quick add"), Currency: "₹", Photo: &logo, Title: endless, Price: "abc", Problems: Problems{"price": "“abc” is not an amount"}}.Page(),
		"collections":       collections.Page(),
		"collections-empty": Collections{Frame: f(SectionCollections, "Collections"), Empty: true}.Page(),
		"collection-rule":   collection(f(SectionCollections, "Collection"), "rule").Page(),
		"collection-manual": collection(f(SectionCollections, "Collection"), "manual").Page(),
		"customers":         customers.Page(),
		"customers-empty":   Customers{Frame: f(SectionCustomers, "Customers"), Empty: true}.Page(),
		"customer":          Customer{Frame: f(SectionCustomers, "Customer"), Name: names[9], Phone: "+91 98765 43210", TelURL: "tel:1", WhatsAppURL: "#", Email: "b@example.com", Orders: "7", Spent: "₹12,34,567", Average: "₹1,76,366", Since: present.AddDate(-1, 0, 0), Rows: orderRows(7), Addresses: [][]string{{"14, 3rd Cross", "Bengaluru 560034"}}}.Page(),
		"share":             Share{Frame: f(SectionShare, "Share"), Link: link(), QR: shop, Products: products1}.Page(),
		"poster-a4":         poster.Page(),
		"poster-a6":         card.Page(),
		"import":            ImportStart{Frame: f(SectionImport, "Import"), MaxSize: "50 MB", Past: []ImportRow{{URL: "#", File: "products_export_1.csv", Note: "1,204 products, 3 rows with errors", At: present.Add(-3 * time.Hour), State: Status{"Done", "good"}}}}.Page(),
		"import-dry":        importRun(f(SectionImport, "Import"), "done", true).Page(),
		"import-running":    importRun(f(SectionImport, "Import"), "running", false).Page(),
		"import-failed":     importRun(f(SectionImport, "Import"), "failed", false).Page(),
		"export":            Export{Frame: f(SectionImport, "Export"), Products: "1,204 products, 3,318 variants", Orders: "5,012", Customers: "3,410", ProductsURL: "#", OrdersURL: "#", PeopleURL: "#"}.Page(),
		"settings":          Settings{Frame: f(SectionSettings, "Settings"), Name: "Meera's Pottery", Slug: "meeras-pottery", Host: "localhost:8080", Phone: "+91 98765 43210", Country: "IN", Currency: "INR", Countries: countries, Currencies: []Choice{{Value: "INR", Label: "Indian rupee (₹)"}}, Locales: []Choice{{Value: "en-IN", Label: "English (India)"}}, Timezones: []Choice{{Value: "Asia/Kolkata", Label: "Kolkata (UTC+5:30)"}}, CurrencyFixed: true}.Page(),
		"settings-theme":    ThemeEditor{Frame: f(SectionSettings, "Look"), Accent: "#2f5d7c", Background: "#faf7f2", Text: "#221f1b", Font: "serif", LogoImage: &logo, BannerImage: &logo, PreviewURL: "/today.html", Kinds: []Choice{{Value: "", Label: "Nothing"}, {Value: "banner", Label: "Banner"}, {Value: "featured", Label: "Products"}, {Value: "collections", Label: "Collections"}}, Collections: []Choice{{Value: "", Label: "All products"}}, Sections: []SectionForm{{Kind: "banner"}, {Kind: "featured", Title: "New from the kiln"}, {Kind: "collections", Title: "Shelves"}}, Presets: []Preset{{"Kiln", "#9a4a26", "#faf7f2", "#221f1b"}, {"Indigo", "#2f4a8c", "#ffffff", "#14161c"}, {"Leaf", "#2f6b45", "#f6f8f3", "#18201a"}, {"Night", "#e0b060", "#16151a", "#f3efe8"}, {"Rose", "#b03060", "#fff8f8", "#2a1a20"}}, Contrast: "The accent on this background reaches 2.8:1. It is darkened for links."}.Page(),
		"settings-delivery": delivery.Page(),
		"settings-payments": Payments{Frame: f(SectionSettings, "Payments"), COD: true, VPA: "meera@okbank", UPIOn: true, HoldHours: "24", QR: &upi}.Page(),
		"settings-messages": Messages{Frame: f(SectionSettings, "Messages"), Groups: []MessageGroup{
			{Title: "हिन्दी", Used: true, Rows: []MessageRow{{Link: "#", Title: "To the shopper: the order is placed", Says: "Meera's Pottery: आपका ऑर्डर 1001 मिल गया, ₹1,248, डिलीवरी पर नकद।", Own: true}, {Link: "#", Title: "To you: a new order", Says: strings.Repeat("a very long text ", 40)}}},
			{Title: "English", Rows: []MessageRow{{Link: "#", Title: "To the shopper: it is paid", Says: "Meera's Pottery: we have your payment of ₹1,248 for order 1001. Thank you."}}},
		}}.Page(),
		"settings-message": MessageForm{Frame: f(SectionSettings, "Messages"), Kind: "placed", Language: "en", Title: "To the shopper: the order is placed", In: "English", Own: true, Fields: messageFields,
			Subject: "Your order {{.Number}} at {{.Shop}}", Short: "{{.Shop}}: we have your order {{.Number}}, {{.Total}}.", Long: "Hello{{if .Name}} {{.Name}}{{end}},\n\nThank you.\n\n{{.Lines}}",
			Preview: &notify.Words{Subject: "Your order 1001 at Meera's Pottery", Short: "Meera's Pottery: we have your order 1001, ₹1,248.", Long: "Hello Asha,\n\nThank you.\n\n3 × Masala Chai: ₹1,200"}}.Page(),
		"settings-message-bad": MessageForm{Frame: f(SectionSettings, "Messages"), Kind: "placed", Language: "hi", Title: "To the shopper: the order is placed", In: "हिन्दी", Fields: messageFields,
			Subject: "x", Short: "x", Long: "नमस्ते\n{{.Password}}", Problems: Problems{"long": "Line 2: there is no .Password."}}.Page(),
		"settings-webhooks-none": Webhooks{Frame: f(SectionSettings, "Webhooks"), Topics: topics}.Page(),
		"settings-webhooks": Webhooks{Frame: f(SectionSettings, "Webhooks"), Topics: topics, URL: "http://10.0.0.1", Problems: Problems{"url": "Give an address that begins with https://."}, Rows: []WebhookRow{
			{Address: "https://books.example.com/haat", Link: "#", Note: "5 topics", Status: Status{"On", "good"}},
			{Address: "https://hooks.automation.example/catch/" + strings.Repeat("4f9a", 30), Link: "#", Note: "1 topic · 1204 waiting", Status: Status{"Takes nothing", "warn"}},
			{Address: "https://old.example.com/", Link: "#", Note: "2 topics · 3 waiting", Status: Status{"Turned off by us", "bad"}},
		}}.Page(),
		"settings-webhook": Webhook{Frame: f(SectionSettings, "Webhook"), ID: "1", Address: "https://hooks.automation.example/catch/" + strings.Repeat("4f9a", 30), URL: "https://hooks.automation.example/", On: true,
			Status: Status{"Takes nothing", "warn"}, Failing: present.Add(-5 * time.Hour), Waiting: "3 waiting", Topics: topics, Secret: "whsec_" + strings.Repeat("Qm9o", 8), Pager: Pager{Next: "#"}, Rows: []DeliveryRow{
				{ID: "a", Topic: "order.placed", At: present.Add(-time.Minute), Status: Status{"Waiting", "warn"}, Note: "It answered 500 (internal server error). Tried 4 times.", Body: "{\n  \"type\": \"order.placed\",\n  \"data\": {\n    \"number\": 1001\n  }\n}", Again: true, Drop: true},
				{ID: "b", Topic: "product.saved", At: present.Add(-time.Hour), Status: Status{"Taken", "good"}, Body: "{}", Again: true},
				{ID: "c", Topic: "order.cancelled", At: present.Add(-80 * time.Hour), Status: Status{"Given up", "bad"}, Note: "It took too long to answer.", Body: "{}", Again: true},
			}}.Page(),
		"settings-webhook-off": Webhook{Frame: f(SectionSettings, "Webhook"), ID: "1", Address: "https://old.example.com/", URL: "https://old.example.com/", Status: Status{"Turned off by us", "bad"}, Why: "It has taken nothing for 72 hours. The last time: It could not be reached.", Topics: topics}.Page(),
		"settings-account":     Account{Frame: f(SectionSettings, "Sign-in"), Contact: "+91 98765 43210", Sessions: []Session{{ID: "1", Device: "Chrome on Android", Place: "Bengaluru", Seen: present, Current: true}, {ID: "2", Device: "Firefox on Windows", Place: "49.207.1.2", Seen: present.Add(-72 * time.Hour)}}}.Page(),
		"search-none":          SearchReport{Frame: f(SectionSearch, "Search"), Days: 7}.Page(),
		"search":               SearchReport{Frame: f(SectionSearch, "Search"), Days: 30, Asked: searched(), Synonyms: "floaters, slides\n" + endless, Problems: Problems{"synonyms": "“" + unbroken + "” stands alone."}}.Page(),
		"more":                 f(SectionMore, "More").More(),
		"landing":              Landing{Public: pub("Open your shop"), DemoURL: "http://demo.localhost:8080"}.Page(),
		"landing-error":        Landing{Public: pub("Open your shop"), Contact: "12", Problems: Problems{"contact": "This is neither a phone number nor an e-mail address"}}.Page(),
		"signin":               SignIn{Public: pub("Sign in")}.Page(),
		"code":                 Code{Public: pub("Code"), SentTo: "+91 98765 43210", Channel: "SMS", BackURL: "/signin", ResendAfter: 28}.Page(),
		"code-error":           Code{Public: pub("Code"), SentTo: "+91 98765 43210", Channel: "SMS", BackURL: "/signin", Problems: Problems{"code": "That is not the code. 3 tries are left."}}.Page(),
		"new":                  NameShop{Public: in, Name: "Meera's Pottery", Slug: "meeras-pottery-2", Note: "The plain name is taken, so a number is added.", Host: "localhost:8080", Country: "IN", Currency: "INR", Countries: countries}.Page(),
		"shops":                MyShops{Public: in, Contact: "+91 98765 43210", Rows: []MyShop{{Name: "Meera's Pottery", URL: "/shops/meeras-pottery", Host: "meeras-pottery.localhost:8080", Today: "₹12,480 today · 14 orders", Waiting: 3}, {Name: longFrame("", "").ShopName, URL: "#", Host: "shree.localhost:8080", Today: "Nothing today", Suspended: true}}}.Page(),
		"shops-empty":          MyShops{Public: in, Contact: "meera@example.com"}.Page(),
		"recover":              Recover{Public: pub("Recover")}.Page(),
		"recover-contact":      NewContact{Public: pub("New contact"), Old: "+91 98765 43210"}.Page(),
		"dev-messages":         DevMessages{Public: pub("Messages"), Items: []DevMessage{{To: "+919876543210", Channel: "sms", Text: "482913 is your code for haat. It is good for five minutes.", Code: "482913", SentAt: present.Add(-8 * time.Second)}, {To: "ananya@example.com", Channel: "email", Text: "Thank you! Order #5012 at Meera's Pottery\nhttp://meeras-pottery.localhost:8080/orders/" + unbroken, SentAt: present.Add(-3 * time.Minute)}}}.Page(),
		"docs-api":             APIDocs{Public: pub("API"), API: api, SpecURL: "/api/v1/openapi.json"}.Page(),
		"error-404":            Failure{Public: pub("Not found"), Status: 404, Heading: "There is nothing here", Text: "The address may be mistyped, or what it led to is gone.", ActionURL: "/", ActionLabel: "Go to the start"}.Page(),
		"error-500":            Failure{Public: pub("Error"), Status: 500, Heading: "That went wrong on our side", Text: "Nothing was lost. Please try once more.", RequestID: "01JD8Y-7K2F", ActionURL: "/", ActionLabel: "Go to the start"}.Page(),
	}
}

func searched() (a search.Asked) {
	for d := range 30 {
		day := search.AskedDay{Date: present.AddDate(0, 0, d-29).Format(time.DateOnly), Searches: int64(20 + d*7%31), Nothing: int64(d * 5 % 9)}
		a.Days = append(a.Days, day)
		a.Searches, a.Nothing = a.Searches+day.Searches, a.Nothing+day.Nothing
	}
	for i, q := range []string{"mug", "blue pottery", "kulhad set", "नीली सुराही", "dinner plates", "cup", "glass jar", unbroken} {
		a.Queries = append(a.Queries, search.AskedQuery{Query: q, Times: int64(90 - 9*i), Nothing: int64(i / 5 * (90 - 9*i))})
	}
	a.Missed = append(a.Missed, a.Queries[5:]...)
	return a
}
