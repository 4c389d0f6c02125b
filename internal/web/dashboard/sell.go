package dashboard

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"haat/internal/customer"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/ship"
	"haat/internal/shop"
)

func (d *desk) link(s shop.Settings) ShareLink {
	u := d.ShopURL(d.room.Slug())
	l := ShareLink{URL: u, Short: bareHost(u), Message: s.Name + " is online: " + u}
	l.WhatsAppURL = "https://wa.me/?text=" + url.QueryEscape(l.Message)
	return l
}

var orderWords = map[order.Status]Status{
	order.StatusPlaced: {"New", "accent"}, order.StatusAccepted: {"To send", "info"}, order.StatusFulfilled: {"Sent", "good"}, order.StatusCancelled: {"Cancelled", ""},
}

func paymentWord(p order.Payment) Status {
	switch p.Status {
	case order.PaymentPaid:
		return Status{"Paid", "good"}
	case order.PaymentRefundDue:
		return Status{"Refund due", "bad"}
	case order.PaymentVoid:
		return Status{"Not paid", ""}
	}
	if p.Method == order.CashOnDelivery {
		return Status{"Cash on delivery", ""}
	}
	return Status{"Waiting for UPI", "warn"}
}

func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + one + "s"
}

func (d *desk) rows(s shop.Settings, list []order.Summary) []OrderRow {
	out := make([]OrderRow, len(list))
	for i, o := range list {
		out[i] = OrderRow{
			URL: d.base + "/orders/" + o.ID.String(), Number: "#" + strconv.FormatInt(o.Number, 10), Customer: o.Name, Place: o.City, Items: plural(o.Items, "item"),
			Total: o.Total.Format(s.Locale, true), At: o.PlacedAt, State: orderWords[o.Status], Payment: paymentWord(o.Payment), New: o.Status == order.StatusPlaced,
		}
	}
	return out
}

func (d *desk) orders() error {
	f, s, err := d.frame("Orders", SectionOrders)
	if err != nil {
		return err
	}
	counts, err := order.CountOrders.Do(d.ctx(), d.room, d.by, op.Empty{})
	if err != nil {
		return err
	}
	state := d.form("state")
	if state == "" {
		state = "all"
	}
	list, err := order.ListOrders.Do(d.ctx(), d.room, d.by, order.ListIn{State: state, Query: d.form("q"), Page: op.Page{Cursor: d.form("after")}})
	if err != nil {
		return err
	}
	f.Waiting = int(counts.Placed)
	p := Orders{Frame: f, State: state, Query: d.form("q"), Rows: d.rows(s, list.Items), Total: plural(counts.All, "order"), Empty: counts.All == 0, Link: d.link(s)}
	for _, t := range []struct {
		state, label string
		n            int64
	}{{"all", "All", counts.All}, {"placed", "To accept", counts.Placed}, {"accepted", "To send", counts.Accepted}, {"fulfilled", "Sent", -1}, {"unpaid", "To pay", counts.Unpaid}, {"cancelled", "Cancelled", -1}} {
		tab := Tab{Label: t.label, URL: d.listed("/orders", "state", t.state, "q", d.form("q")), On: t.state == state}
		if t.n > 0 {
			tab.Count = strconv.FormatInt(t.n, 10)
		}
		p.Tabs = append(p.Tabs, tab)
	}
	p.Pager = d.pager("/orders", list.Next)
	return d.show(http.StatusOK, p.Page())
}

// listed is the address of a list narrowed by pairs of names and values; what
// is empty is left out.
func (d *desk) listed(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return d.base + path
	}
	return d.base + path + "?" + q.Encode()
}

// pager leads to the next page of what is shown, and back to the first.
func (d *desk) pager(path, next string) Pager {
	var p Pager
	q := d.r.URL.Query()
	if next != "" {
		q.Set("after", next)
		p.Next = d.base + path + "?" + q.Encode()
	}
	if d.r.URL.Query().Get("after") != "" {
		q.Del("after")
		p.Prev = d.base + path + "?" + q.Encode()
	}
	return p
}

func (d *desk) order() error { return d.showOrder(http.StatusOK, nil) }

func (d *desk) showOrder(status int, problems Problems) error {
	o, err := order.GetOrder.Do(d.ctx(), d.room, d.by, order.OrderIn{Order: d.r.PathValue("order")})
	if err != nil {
		return err
	}
	number := "#" + strconv.FormatInt(o.Number, 10)
	f, s, err := d.frame("Order "+number, SectionOrders)
	if err != nil {
		return err
	}
	a := o.ShippingAddress
	p := Order{
		Frame: f, URL: d.base + "/orders/" + o.ID.String(), Number: number, At: o.PlacedAt, State: orderWords[o.Status], Payment: paymentWord(o.Payment),
		Sums:  []Sum{{"Subtotal", o.Subtotal.Format(s.Locale, false)}, {"Delivery", o.Delivery.Format(s.Locale, false)}},
		Total: o.Total.Format(s.Locale, false), Customer: o.Contact.Name, CustomerURL: d.base + "/customers/" + o.Customer.String(), Email: o.Contact.Email,
		StatusURL: d.ShopURL(d.room.Slug()) + o.StatusURL, Problems: problems,
		Method: map[order.Method]string{order.CashOnDelivery: "Cash on delivery", order.UPI: "UPI"}[o.Payment.Method],
		Fulfil: FulfilForm{Carrier: d.form("carrier"), Number: d.form("tracking"), Link: d.form("link")}, NoteText: d.form("note"),
		Cancel: CancelForm{Reason: d.form("reason"), Restock: problems == nil || d.form("restock") == "1", Reasons: []Choice{
			{Value: "Out of stock", Label: "Out of stock"}, {Value: "The shopper asked for it", Label: "The shopper asked for it"}, {Value: "The address cannot be reached", Label: "The address cannot be reached"},
		}},
	}
	if o.Contact.Phone != "" {
		p.Phone, p.TelURL, p.WhatsAppURL = shop.ShowPhone(o.Contact.Phone), "tel:"+o.Contact.Phone, "https://wa.me/"+strings.TrimPrefix(o.Contact.Phone, "+")
	}
	for _, part := range []string{a.Name, a.Line1, a.Line2, strings.TrimSpace(a.City + " " + a.PostalCode), a.State, ship.CountryName(a.Country)} {
		if part != "" {
			p.Address = append(p.Address, part)
		}
	}
	p.MapURL = "https://www.google.com/maps/search/?api=1&query=" + url.QueryEscape(strings.Join(p.Address[min(1, len(p.Address)):], ", "))
	if o.Payment.Method == order.UPI && o.Payment.Status == order.PaymentPending {
		p.PayNote = "Look into your UPI app for " + p.Total + " before you mark this order as paid."
	}
	if o.Payment.Status == order.PaymentPaid {
		p.Cancel.Refund = p.Total
	}
	if t := o.Tracking; t != nil {
		p.Tracking = Tracking{t.Carrier, t.Number, t.URL}
	}
	for _, l := range o.Lines {
		line := OrderLine{Title: l.Title, Variant: l.VariantTitle, SKU: l.SKU, Quantity: int(l.Quantity), Price: l.Price.Format(s.Locale, false), Total: l.Total.Format(s.Locale, false), URL: d.base + "/products/" + l.Product.String()}
		if l.Image != "" {
			line.Image = Image{Hash: l.Image, Src: media.URL(d.room.Shop(), l.Image, 160), Alt: l.ImageAlt}
		}
		p.Lines = append(p.Lines, line)
	}
	for i := len(o.Timeline) - 1; i >= 0; i-- {
		p.Timeline = append(p.Timeline, moment(o.Timeline[i]))
	}
	for _, act := range o.Actions {
		switch act {
		case order.ActAccept:
			p.Actions.Accept = true
		case order.ActFulfil:
			p.Actions.Fulfil = true
		case order.ActPay:
			p.Actions.Paid = true
		case order.ActCancel:
			p.Actions.Cancel = true
		}
	}
	switch {
	case p.Actions.Accept:
		p.Actions.Primary = "accept"
	case p.Actions.Paid && o.Payment.Method == order.UPI:
		p.Actions.Primary = "paid"
	case p.Actions.Fulfil:
		p.Actions.Primary = "fulfil"
	case p.Actions.Paid:
		p.Actions.Primary = "paid"
	}
	return d.show(status, p.Page())
}

func moment(e order.Entry) Moment {
	m := Moment{At: e.At, Text: e.Text, By: "You"}
	if e.Account.Zero() {
		m.By = "The shopper"
	}
	switch e.Kind {
	case order.KindPlaced:
		m.Title, m.Icon, m.Kind = "Order placed", "receipt", "accent"
	case order.KindAccepted:
		m.Title, m.Icon, m.Kind = "Accepted", "check", "info"
	case order.KindFulfilled:
		m.Title, m.Icon, m.Kind = "Sent", "truck", "good"
	case order.KindPaid:
		m.Title, m.Icon, m.Kind = "Paid", "cash", "good"
	case order.KindCancelled:
		m.Title, m.Icon, m.Kind = "Cancelled", "close", "bad"
		if e.Account.Zero() {
			m.By = ""
		}
	case order.KindNote:
		m.Title, m.Icon = "Note", "edit"
	}
	return m
}

// acted ends an action on an order: back to its page, or the page again with
// what was wrong beside its field.
func (d *desk) acted(err error, said string, names map[string]string) error {
	if f := wrong(err); f != nil {
		return d.showOrder(http.StatusUnprocessableEntity, beside(f, names))
	}
	if err != nil {
		return err
	}
	return d.back("/orders/"+d.r.PathValue("order"), Flash{Text: said})
}

func (d *desk) accept() error {
	_, err := order.Accept.Do(d.ctx(), d.room, d.by, order.OrderIn{Order: d.r.PathValue("order")})
	return d.acted(err, "Order accepted.", nil)
}

func (d *desk) paid() error {
	_, err := order.Pay.Do(d.ctx(), d.room, d.by, order.OrderIn{Order: d.r.PathValue("order")})
	return d.acted(err, "Marked as paid.", nil)
}

func (d *desk) fulfil() error {
	_, err := order.Fulfil.Do(d.ctx(), d.room, d.by, order.FulfilIn{Order: d.r.PathValue("order"), Body: &order.FulfilBody{Carrier: d.form("carrier"), Number: d.form("tracking"), URL: d.form("link")}})
	return d.acted(err, "Marked as sent. The shopper is told.", map[string]string{"/carrier": "carrier", "/number": "tracking", "/url": "link"})
}

func (d *desk) cancel() error {
	restock := d.form("restock") == "1"
	_, err := order.Cancel.Do(d.ctx(), d.room, d.by, order.CancelIn{Order: d.r.PathValue("order"), Body: &order.CancelBody{Reason: d.form("reason"), Restock: &restock}})
	return d.acted(err, "Order cancelled. The shopper is told.", map[string]string{"/reason": "reason"})
}

func (d *desk) note() error {
	in := order.NoteIn{Order: d.r.PathValue("order")}
	in.Body.Text = d.form("note")
	_, err := order.Note.Do(d.ctx(), d.room, d.by, in)
	return d.acted(err, "Note written.", map[string]string{"/text": "note"})
}

func (d *desk) customers() error {
	f, s, err := d.frame("Customers", SectionCustomers)
	if err != nil {
		return err
	}
	sort, q := cmp.Or(d.form("sort"), "last"), d.form("q")
	list, err := d.Desk.List.Do(d.ctx(), d.room, d.by, customer.Search{Sort: sort, Q: q, Page: op.Page{Cursor: d.form("after")}})
	if err != nil {
		return err
	}
	p := Customers{Frame: f, Query: q, Sort: sort, Empty: len(list.Items) == 0 && d.form("q") == "", Pager: d.pager("/customers", list.Next)}
	for _, t := range []struct{ sort, label string }{{"last", "Last order"}, {"newest", "Newest"}, {"orders", "Most orders"}, {"spent", "Most spent"}} {
		p.Sorts = append(p.Sorts, Tab{Label: t.label, URL: d.listed("/customers", "sort", t.sort, "q", q), On: t.sort == sort})
	}
	for _, c := range list.Items {
		p.Rows = append(p.Rows, CustomerRow{URL: d.base + "/customers/" + c.ID.String(), Name: c.Name, Phone: showPhone(c.Phone), Email: c.Email,
			Orders: plural(c.Orders, "order"), Spent: c.Spent.Format(s.Locale, true), Last: c.LastOrderAt})
	}
	return d.show(http.StatusOK, p.Page())
}

func showPhone(e164 string) string {
	if e164 == "" {
		return ""
	}
	return shop.ShowPhone(e164)
}

func (d *desk) customer() error {
	c, err := d.Desk.Get.Do(d.ctx(), d.room, d.by, customer.One{Customer: d.r.PathValue("customer")})
	if err != nil {
		return err
	}
	f, s, err := d.frame(c.Name, SectionCustomers)
	if err != nil {
		return err
	}
	list, err := order.ListOrders.Do(d.ctx(), d.room, d.by, order.ListIn{State: "all", Customer: c.ID.String(), Page: op.Page{Cursor: d.form("after")}})
	if err != nil {
		return err
	}
	p := Customer{Frame: f, Name: c.Name, Email: c.Email, Orders: plural(c.Orders, "order"), Spent: c.Spent.Format(s.Locale, true), Since: c.CreatedAt,
		Rows: d.rows(s, list.Items), Pager: d.pager("/customers/"+c.ID.String(), list.Next)}
	if c.Phone != "" {
		p.Phone, p.TelURL, p.WhatsAppURL = shop.ShowPhone(c.Phone), "tel:"+c.Phone, "https://wa.me/"+strings.TrimPrefix(c.Phone, "+")
	}
	if c.Orders > 0 {
		p.Average = money.Money{Amount: c.Spent.Amount / c.Orders, Currency: s.Currency}.Format(s.Locale, true)
	}
	return d.show(http.StatusOK, p.Page())
}
