package storefront

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"haat/internal/catalog"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/media"
	"haat/internal/money"
	"haat/internal/order"
	"haat/internal/ship"
	"haat/internal/shop"
	"haat/internal/web"
	"haat/internal/web/design"
)

// cartCookie holds the id of the shopper's cart, which is all it takes to
// read and change it.
const cartCookie = "haat_cart"

func newSession() string { return id.Token(16) }

func mediaURL(v *visit, hash string, width int) string { return media.URL(v.room.Shop(), hash, width) }

// myCart reads the shopper's cart; errNoCart if there is none, or it was
// ordered.
func (v *visit) myCart() (catalog.Shown[order.Cart], error) {
	name := v.Cookies.Get(v.r, cartCookie)
	if name == "" {
		return catalog.Shown[order.Cart]{}, errNoCart
	}
	c, err := order.ForCart.Do(v.ctx(), v.room, v.by, order.CartIn{Cart: name})
	if fault.Is(err, fault.KindNotFound) || err == nil && c.Page.Ordered {
		return catalog.Shown[order.Cart]{}, errNoCart
	}
	return c, err
}

// keepCart remembers a cart, and how many things are in it for the pages that
// are the same for everybody.
func (v *visit) keepCart(c order.Cart) {
	v.Cookies.Set(v.w, v.r, cartCookie, c.ID.String(), 30*24*time.Hour)
	v.count(c.Items)
}

func (v *visit) count(n int64) {
	http.SetCookie(v.w, &http.Cookie{Name: CartCountCookie, Value: strconv.FormatInt(n, 10), Path: "/", MaxAge: 30 * 24 * 3600, Secure: v.HTTPS, SameSite: http.SameSiteLaxMode})
}

func (v *visit) addToCart() error {
	v.remember()
	if err := v.admit(""); err != nil {
		return err
	}
	n, err := strconv.ParseInt(v.r.PostFormValue(FieldQuantity), 10, 64)
	if err != nil {
		n = 1
	}
	wanted := []order.Wanted{{Variant: v.r.PostFormValue(FieldVariant), Quantity: n}}
	var c order.Cart
	name := v.Cookies.Get(v.r, cartCookie)
	if name != "" {
		in := order.AddToCartIn{Cart: name}
		in.Body.Lines = wanted
		c, err = order.AddToCart.Do(v.ctx(), v.room, v.by, in)
	}
	if gone := (&order.CartOrdered{}); name == "" || errors.As(err, &gone) || fault.Is(err, fault.KindNotFound) && !strings.Contains(fault.Of(err).Field, "variant") {
		var in order.NewCartIn
		in.Body.Lines = wanted
		c, err = order.NewCart.Do(v.ctx(), v.room, v.by, in)
	}
	if f := fault.Of(err); f != nil && (f.Kind == fault.KindInvalid || f.Kind == fault.KindConflict) {
		if handle := productOf(v.r); handle != "" {
			return v.showProduct(handle, wanted[0].Variant, http.StatusUnprocessableEntity, f.Message, int(n))
		}
	}
	if err != nil {
		return err
	}
	v.keepCart(c)
	if v.r.PostFormValue(FieldThen) == "checkout" {
		return web.Back(v.w, v.r, PathCheckout)
	}
	return web.Back(v.w, v.r, PathCart)
}

// productOf is the handle of the product page that a form was sent from.
func productOf(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return ""
	}
	handle, ok := strings.CutPrefix(u.Path, "/products/")
	if !ok || strings.Contains(handle, "/") {
		return ""
	}
	return handle
}

func (v *visit) cart() error { return v.showCart(http.StatusOK, "", nil) }

func (v *visit) showCart(code int, problem string, removed *Line) error {
	shown, err := v.myCart()
	var home catalog.HomePage
	switch {
	case err == errNoCart && v.Cookies.Get(v.r, cartCookie) == "":
		var front catalog.Shown[catalog.HomePage]
		front, err = catalog.ForHome.Do(v.ctx(), v.room, v.by, catalog.HomeIn{})
		shown.Shop, home = front.Shop, front.Page
	case err == errNoCart:
		shown.Shop, err = shop.ForPage.Do(v.ctx(), v.room, v.by, shop.PageIn{})
	}
	if err != nil {
		return err
	}
	s, c := shown.Shop, shown.Page
	page := Cart{Lines: v.lines(s, c), Sum: v.sum(s, c), Error: problem, Removed: removed, Popular: v.cards(s, home.Newest[:min(len(home.Newest), 4)])}
	page.Page = Page{Shop: v.frame(s, menu(home.Tiles)), Title: "Cart", Canonical: PathCart, NoIndex: true, CartCount: int(c.Items), Current: PathCart}
	v.count(c.Items)
	return v.show(code, page.Draw(), false)
}

func (v *visit) lines(s shop.Settings, c order.Cart) []Line {
	out := make([]Line, len(c.Lines))
	for i, l := range c.Lines {
		out[i] = Line{ID: l.Variant.String(), Variant: l.Variant.String(), Title: l.Title, Options: l.VariantTitle, Quantity: int(l.Quantity), Each: l.Price, Total: l.Total}
		if l.Problem != order.Gone {
			out[i].Href = ProductPath(l.Handle, l.Variant.String())
		}
		out[i].Image = v.thumb(l.Image, l.ImageAlt, l.Title)
		switch l.Problem {
		case order.Gone:
			out[i].Problem = "No longer sold"
		case order.SoldOut:
			out[i].Problem = "Sold out"
		case order.TooFew:
			out[i].Problem, out[i].Max = fmt.Sprintf("Only %d left", l.Most), int(l.Most)
		}
	}
	return out
}

func (v *visit) thumb(hash, alt, title string) *Image {
	if hash == "" {
		return nil
	}
	if alt == "" {
		alt = title
	}
	return &Image{Src: mediaURL(v, hash, 160), Width: 160, Height: 160, Alt: alt}
}

func (v *visit) sum(s shop.Settings, c order.Cart) Sum {
	out := Sum{Subtotal: c.Subtotal, Delivery: c.Delivery, Total: c.Total}
	if out.Subtotal.Currency == "" {
		out.Subtotal, out.Total = cash(s, 0), cash(s, 0)
	}
	if s.PricesIncludeTax {
		out.Tax = "Prices include taxes"
	}
	if s.Delivery.Charge == 0 && c.Delivery == nil {
		free := cash(s, 0)
		out.Delivery = &free
	}
	if more := s.Delivery.FreeAbove - c.Subtotal.Amount; s.Delivery.Charge > 0 && s.Delivery.FreeAbove > 0 && more > 0 && c.Items > 0 {
		out.Free = "Add " + cash(s, more).Format(s.Locale, true) + " more for free delivery"
	}
	return out
}

func (v *visit) changeCart() error {
	mine, err := v.myCart()
	if err == errNoCart {
		return web.Back(v.w, v.r, PathCart)
	}
	if err != nil {
		return err
	}
	c := mine.Page
	if err := v.r.ParseForm(); err != nil {
		return fault.Invalid("", "We could not read this form.").Because(err)
	}
	gone := v.r.PostForm.Get(FieldRemove)
	var removed *Line
	in := order.ChangeCartIn{Cart: c.ID.String()}
	wanted := []order.Wanted{}
	for _, l := range v.lines(shop.Settings{}, c) {
		n := int64(l.Quantity)
		if text := v.r.PostForm.Get(PrefixQuantity + l.ID); text != "" {
			if n, err = strconv.ParseInt(text, 10, 64); err != nil || n < 0 {
				return v.showCart(http.StatusUnprocessableEntity, fmt.Sprintf("%q is not a quantity.", cut(text, 20)), nil)
			}
		}
		if l.ID == gone || n == 0 {
			removed = &l
			continue
		}
		wanted = append(wanted, order.Wanted{Variant: l.Variant, Quantity: n})
	}
	in.Body.Lines = &wanted
	c, err = order.ChangeCart.Do(v.ctx(), v.room, v.by, in)
	if f := fault.Of(err); f != nil && (f.Kind == fault.KindInvalid || f.Kind == fault.KindConflict) {
		return v.showCart(http.StatusUnprocessableEntity, f.Message, nil)
	}
	if err != nil {
		return err
	}
	v.keepCart(c)
	if removed != nil {
		return v.showCart(http.StatusOK, "", removed)
	}
	return web.Back(v.w, v.r, PathCart)
}

func (v *visit) checkout() error {
	c, err := v.myCart()
	// A cart that cannot be ordered as it is says why on its own page.
	if err == errNoCart || err == nil && (len(c.Page.Lines) == 0 || slices.ContainsFunc(c.Page.Lines, func(l order.CartLine) bool { return l.Problem != "" })) {
		return web.Back(v.w, v.r, PathCart)
	}
	if err != nil {
		return err
	}
	return v.showCheckout(http.StatusOK, c, nil, nil)
}

// showCheckout shows the form with what was typed, and the words beside each
// field that is wrong.
func (v *visit) showCheckout(code int, mine catalog.Shown[order.Cart], values, wrong map[string]string) error {
	s, c := mine.Shop, mine.Page
	if values == nil {
		values = map[string]string{FieldCountry: s.Country, FieldKey: id.Token(16)}
		if a := c.ShippingAddress; a != nil {
			values[FieldLine1], values[FieldLine2], values[FieldCity], values[FieldState], values[FieldPostalCode], values[FieldCountry] = a.Line1, a.Line2, a.City, a.State, a.PostalCode, a.Country
		}
		if p := c.Contact; p != nil {
			values[FieldName], values[FieldPhone], values[FieldEmail] = p.Name, p.Phone, p.Email
		}
	}
	country := values[FieldCountry]
	if !slices.Contains(s.Delivery.Countries, country) && len(s.Delivery.Countries) > 0 {
		country = s.Delivery.Countries[0]
		values[FieldCountry] = country
	}
	page := Checkout{Lines: v.lines(s, c), Sum: v.sum(s, c), Values: values, Errors: wrong, Key: values[FieldKey]}
	page.Page = Page{Shop: v.frame(s, nil), Title: "Checkout", Canonical: PathCheckout, NoIndex: true, Current: PathCheckout}
	for _, code := range s.Delivery.Countries {
		page.Countries = append(page.Countries, design.Choice{Value: code, Label: ship.CountryName(code)})
	}
	if len(s.Delivery.Countries) == 1 {
		for _, st := range ship.States(country) {
			page.States = append(page.States, design.Choice{Value: st.Code, Label: st.Name})
		}
	}
	switch country {
	case "IN":
		page.PostLabel, page.Dial = "PIN code", "98765 43210"
	case "GB":
		page.PostLabel = "Postcode"
	case "US":
		page.PostLabel = "ZIP code"
	}
	if s.COD {
		page.Payments = append(page.Payments, design.Choice{Value: "cod", Label: "Cash on delivery", Note: "Pay when it arrives", Icon: "cash"})
	}
	if s.UPI.VPA != "" {
		page.Payments = append(page.Payments, design.Choice{Value: "upi", Label: "UPI", Note: "Pay now from any UPI app", Icon: "qr"})
	}
	if values[FieldPayment] == "" && len(page.Payments) > 0 {
		values[FieldPayment] = page.Payments[0].Value
	}
	delivery, err := ship.Charge(ship.Rules{Charge: s.Delivery.Charge, FreeAbove: s.Delivery.FreeAbove, Countries: s.Delivery.Countries}, c.Subtotal.Amount, country)
	if err == nil {
		d := cash(s, delivery)
		page.Sum.Delivery = &d
		page.Sum.Total = cash(s, c.Subtotal.Amount+delivery)
	}
	return v.show(code, page.Draw(), false)
}

var checkoutFields = []string{FieldName, FieldPhone, FieldEmail, FieldLine1, FieldLine2, FieldCity, FieldState, FieldPostalCode, FieldCountry, FieldNote, FieldPayment, FieldKey}

func (v *visit) place() error {
	v.remember()
	values := map[string]string{}
	for _, f := range checkoutFields {
		values[f] = strings.TrimSpace(v.r.PostFormValue(f))
	}
	name := v.Cookies.Get(v.r, cartCookie)
	if name == "" {
		return web.Back(v.w, v.r, PathCart)
	}
	if err := v.admit(""); err != nil {
		return err
	}
	if err := v.admit(cmp.Or(values[FieldPhone], values[FieldEmail])); err != nil {
		return err
	}
	in := order.PlaceIn{Body: order.PlaceBody{
		Cart: name, Payment: order.Method(values[FieldPayment]), Note: values[FieldNote],
		Contact: &order.Contact{Name: values[FieldName], Phone: values[FieldPhone], Email: values[FieldEmail]},
		ShippingAddress: &order.Address{Name: values[FieldName], Line1: values[FieldLine1], Line2: values[FieldLine2], City: values[FieldCity],
			State: values[FieldState], PostalCode: values[FieldPostalCode], Country: values[FieldCountry]},
	}}
	if n, err := strconv.ParseInt(v.r.PostFormValue(FieldExpected), 10, 64); err == nil {
		s, err := shop.ForPage.Do(v.ctx(), v.room, v.by, shop.PageIn{})
		if err != nil {
			return err
		}
		in.Body.ExpectedTotal = &money.Money{Amount: n, Currency: s.Currency}
	}
	by := v.by
	by.Key = values[FieldKey]
	placed, err := order.Place.Do(v.ctx(), v.room, by, in)
	var again *order.CartOrdered
	if errors.As(err, &again) {
		return web.Back(v.w, v.r, OrderPath(again.Token))
	}
	if f := fault.Of(err); f != nil && (f.Kind == fault.KindInvalid || f.Kind == fault.KindConflict) {
		c, cartErr := v.myCart()
		if cartErr == errNoCart {
			return web.Back(v.w, v.r, PathCart)
		}
		if cartErr != nil {
			return cartErr
		}
		values[FieldKey] = id.Token(16) // a new attempt, with other content
		status := http.StatusUnprocessableEntity
		if f.Kind == fault.KindConflict {
			status = http.StatusConflict
		}
		return v.showCheckout(status, c, values, besideFields(f))
	}
	if err != nil {
		return err
	}
	v.Cookies.Clear(v.w, cartCookie)
	v.count(0)
	return web.Back(v.w, v.r, OrderPath(placed.Token))
}

// besideFields puts what is wrong beside the fields it is about.
func besideFields(f *fault.Fault) map[string]string {
	out := map[string]string{}
	put := func(pointer, message string) {
		field := pointer[strings.LastIndexByte(pointer, '/')+1:]
		if !slices.Contains(checkoutFields, field) {
			field = ""
		}
		if out[field] == "" {
			out[field] = message
		}
	}
	put(f.Field, f.Message)
	for _, m := range f.More {
		put(m.Pointer, m.Message)
	}
	return out
}

func (v *visit) order() error {
	shown, err := order.ForStatus.Do(v.ctx(), v.room, v.by, order.FollowIn{Token: v.r.PathValue("token")})
	if err != nil {
		return err
	}
	o, s := shown.Page, shown.Shop
	a := o.ShippingAddress
	page := Order{
		Number: strconv.FormatInt(o.Number, 10), Placed: o.PlacedAt, Cancelled: o.Status == order.StatusCancelled, Note: o.CancelReason,
		Sum: Sum{Subtotal: o.Subtotal, Delivery: &o.Delivery, Total: o.Total},
	}
	page.Page = Page{Shop: v.frame(s, nil), Title: "Order " + page.Number, NoIndex: true}
	if s.PricesIncludeTax {
		page.Sum.Tax = "Prices include taxes"
	}
	page.Zone, err = time.LoadLocation(s.Timezone)
	if err != nil {
		page.Zone = time.UTC
	}
	for _, part := range []string{a.Name, a.Line1, a.Line2, strings.TrimSpace(a.City + " " + a.PostalCode), a.State, ship.CountryName(a.Country)} {
		if part != "" {
			page.Ship = append(page.Ship, part)
		}
	}
	for _, l := range o.Lines {
		line := Line{Title: l.Title, Options: l.VariantTitle, Quantity: int(l.Quantity), Each: l.Price, Total: l.Total, Image: v.thumb(l.Image, l.ImageAlt, l.Title)}
		if l.Handle != "" {
			line.Href = ProductPath(l.Handle, "")
		}
		page.Lines = append(page.Lines, line)
	}
	now := false
	for _, st := range o.Steps {
		step := Step{Label: stepWord(st.Kind), At: st.At, State: "next"}
		switch {
		case st.Done:
			step.State = "done"
		case !now:
			step.State, now = "now", true
		}
		page.Steps = append(page.Steps, step)
	}
	page.Heading, page.Text = orderWords(o, a.Name)
	page.Payment = map[order.Method]string{order.CashOnDelivery: "Cash on delivery", order.UPI: "UPI"}[o.Payment.Method]
	switch o.Payment.Status {
	case order.PaymentPaid:
		page.Paid, page.PaidKind = "Paid", "good"
	case order.PaymentPending:
		page.Paid, page.PaidKind = "Waiting for payment", "warn"
		if o.Payment.Method == order.CashOnDelivery {
			page.Paid, page.PaidKind = "To pay on delivery", ""
		}
	case order.PaymentRefundDue:
		page.Paid, page.PaidKind = "Will be paid back", "warn"
	default:
		page.Paid = "Nothing to pay"
	}
	if u := o.Payment.UPI; u != nil {
		page.UPI = &UPI{Link: u.Link, VPA: u.VPA, Payee: u.Payee, Amount: o.Total,
			Note: "The shop confirms when it has received the money. We keep your things until " + u.Until.In(page.Zone).Format("2 January, 15:04") + "."}
	}
	if t := o.Tracking; t != nil {
		page.Tracking = &Tracking{t.Carrier, t.Number, t.URL}
	}
	return v.show(http.StatusOK, page.Draw(), false)
}

func stepWord(k order.Kind) string {
	switch k {
	case order.KindPlaced:
		return "Ordered"
	case order.KindPaid:
		return "Paid"
	case order.KindAccepted:
		return "Accepted"
	case order.KindFulfilled:
		return "On its way"
	case order.KindCancelled:
		return "Cancelled"
	}
	return string(k)
}

func orderWords(o order.Receipt, name string) (heading, text string) {
	first, _, _ := strings.Cut(strings.TrimSpace(name), " ")
	switch {
	case o.Status == order.StatusCancelled && o.Payment.Status == order.PaymentRefundDue:
		return "This order was cancelled", "What you paid will be paid back."
	case o.Status == order.StatusCancelled:
		return "This order was cancelled", "There is nothing to pay."
	case o.Status == order.StatusFulfilled:
		return "Your order is on its way", "Keep this page: it shows how your order stands."
	case o.Payment.UPI != nil:
		return "Almost there, " + first, "Pay by UPI to complete your order."
	case o.Status == order.StatusAccepted:
		return "Your order is being packed", "Keep this page: it shows how your order stands."
	}
	return "Thank you, " + first, "The shop has your order. Keep this page: it shows how your order stands."
}
