package notify

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"haat/internal/hook"
	"haat/internal/money"
	"haat/internal/order"
	"haat/internal/shop"
)

// A draft is a message before it is known to whom it goes. Its link follows
// the text, when it is sent.
type draft struct {
	subject string
	short   string // for a phone
	long    string // for a mailbox
	before  string // what the link is introduced with
}

func amount(s shop.Settings, minor int64, currency string) string {
	return money.Money{Amount: minor, Currency: currency}.Format(s.Locale, true)
}

func greeting(name string) string {
	if first := firstName(name); first != "" {
		return "Hello " + first + ",\n\n"
	}
	return "Hello,\n\n"
}

// fieldsOf is what can be said of a change of an order.
func fieldsOf(s shop.Settings, c order.Change) fields {
	w := wordsOf(s.Locale)
	return fields{
		Shop: oneLine(s.Name), Number: strconv.FormatInt(c.Number, 10), Total: amount(s, c.Total, c.Currency), Payment: w.payment(c.Method), Items: w.items(c.Items),
		Name: firstName(c.Name), Customer: personName(c.Name),
	}
}

func placedFields(s shop.Settings, e order.OrderPlaced) fields {
	f := fieldsOf(s, order.Change{Number: e.Number, Total: e.Total, Currency: e.Currency, Items: e.Items, Name: e.Name, Method: e.Method})
	var lines, goods []string
	for _, l := range e.Lines {
		what := fmt.Sprintf("%d × %s", l.Quantity, oneLine(l.Title))
		goods = append(goods, what)
		lines = append(lines, what+": "+amount(s, l.Total, e.Currency))
	}
	f.Lines, f.Goods = strings.Join(lines, "\n"), strings.Join(goods, "\n")
	if e.Delivery > 0 {
		f.Delivery = amount(s, e.Delivery, e.Currency)
	}
	return f
}

func fulfilledFields(s shop.Settings, e order.OrderFulfilled) fields {
	f := fieldsOf(s, e.Change)
	f.Carrier, f.Tracking = oneLine(e.Tracking.Carrier), oneLine(e.Tracking.Number)
	f.Due = e.Method == order.CashOnDelivery && e.Payment == order.PaymentPending
	return f
}

func cancelledFields(s shop.Settings, e order.OrderCancelled) fields {
	f := fieldsOf(s, e.Change)
	f.Reason, f.Expired, f.Refund = strings.TrimRight(oneLine(e.Reason), "."), e.Expired, e.Payment == order.PaymentRefundDue
	return f
}

// oneLine makes one line of text that came from somebody: no line of its own
// can be begun with it.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsGraphic(r) && r != '\u200c' && r != '\u200d'
	}), " ")
}

// personName gives a name that is nothing but a name, or nothing. Anybody can
// place an order with anybody's number and any words as their name, and so
// have us send those words: they must be neither an address nor a message.
func personName(name string) string {
	name = oneLine(strings.ReplaceAll(name, ".", ". "))
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune(" .-'’\u200c\u200d", r) {
			return ""
		}
	}
	if len([]rune(name)) > 60 || len(strings.Fields(name)) > 5 {
		return ""
	}
	return name
}

// firstName is what to greet a person with, or nothing.
func firstName(name string) string {
	first, _, _ := strings.Cut(personName(name), " ")
	if len([]rune(first)) < 2 || strings.HasSuffix(first, ".") {
		return ""
	}
	return first
}

// draftWebhookOff tells the merchant that a webhook was turned off.
func draftWebhookOff(s shop.Settings, e hook.TurnedOff) draft {
	host := e.URL
	if u, err := url.Parse(e.URL); err == nil {
		host = u.Host
	}
	return draft{
		subject: "A webhook of " + oneLine(s.Name) + " was turned off",
		short:   fmt.Sprintf("%s: your webhook at %s was turned off. It takes nothing.", oneLine(s.Name), oneLine(host)),
		long: greeting("") + fmt.Sprintf("We have turned off the webhook of %s that calls\n%s\n\n%s\n\n", oneLine(s.Name), oneLine(e.URL), oneLine(e.Why)) +
			"What it has not taken waits. Once the other side works again, turn the webhook on, and it is told.",
		before: "Look at it here:",
	}
}
