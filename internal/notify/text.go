package notify

import (
	"fmt"
	"net/url"
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

func payment(m order.Method) string {
	if m == order.CashOnDelivery {
		return "cash on delivery"
	}
	return "by UPI"
}

func items(n int64) string {
	if n == 1 {
		return "1 item"
	}
	return fmt.Sprintf("%d items", n)
}

func greeting(name string) string {
	if first := firstName(name); first != "" {
		return "Hello " + first + ",\n\n"
	}
	return "Hello,\n\n"
}

// draftPlaced tells the shopper that we have the order.
func draftPlaced(s shop.Settings, e order.OrderPlaced) draft {
	total := amount(s, e.Total, e.Currency)
	d := draft{
		subject: fmt.Sprintf("Your order %d at %s", e.Number, oneLine(s.Name)),
		short:   fmt.Sprintf("%s: we have your order %d, %s, %s.", oneLine(s.Name), e.Number, total, payment(e.Method)),
		before:  "Follow it here:",
	}
	d.long = greeting(e.Name) + fmt.Sprintf("Thank you for your order %d at %s.\n\n", e.Number, oneLine(s.Name))
	for _, l := range e.Lines {
		d.long += fmt.Sprintf("%d × %s: %s\n", l.Quantity, oneLine(l.Title), amount(s, l.Total, e.Currency))
	}
	if e.Delivery > 0 {
		d.long += fmt.Sprintf("Delivery: %s\n", amount(s, e.Delivery, e.Currency))
	}
	d.long += fmt.Sprintf("Total: %s, %s", total, payment(e.Method))
	if e.Method == order.UPI {
		d.before = "Pay and follow it here:"
	}
	return d
}

// draftReceived tells the merchant that there is an order.
func draftReceived(s shop.Settings, e order.OrderPlaced) draft {
	text := fmt.Sprintf("New order %d: %s, %s, %s", e.Number, amount(s, e.Total, e.Currency), items(e.Items), payment(e.Method))
	if name := personName(e.Name); name != "" {
		text += ", from " + name
	}
	long := text + ".\n"
	for _, l := range e.Lines {
		long += fmt.Sprintf("\n%d × %s", l.Quantity, oneLine(l.Title))
	}
	return draft{
		subject: fmt.Sprintf("New order %d: %s", e.Number, amount(s, e.Total, e.Currency)),
		short:   text + ".", long: long, before: "See it here:",
	}
}

// draftPaid tells the shopper that we have the money.
func draftPaid(s shop.Settings, e order.OrderPaid) draft {
	text := fmt.Sprintf("we have your payment of %s for order %d. Thank you.", amount(s, e.Total, e.Currency), e.Number)
	return told(s, e.Change, fmt.Sprintf("Payment received for order %d", e.Number), text, "Your order:")
}

// draftFulfilled tells the shopper that the goods have left.
func draftFulfilled(s shop.Settings, e order.OrderFulfilled) draft {
	text := fmt.Sprintf("your order %d is on its way", e.Number)
	if c := oneLine(e.Tracking.Carrier); c != "" {
		text += " with " + c
	}
	if n := oneLine(e.Tracking.Number); n != "" {
		text += ", number " + n
	}
	if e.Method == order.CashOnDelivery && e.Payment == order.PaymentPending {
		text += fmt.Sprintf(". Please have %s ready", amount(s, e.Total, e.Currency))
	}
	return told(s, e.Change, fmt.Sprintf("Order %d is on its way", e.Number), text+".", "Follow it here:")
}

// draftCancelled tells the shopper that nothing will come.
func draftCancelled(s shop.Settings, e order.OrderCancelled) draft {
	text := fmt.Sprintf("your order %d has been cancelled.", e.Number)
	if reason := strings.TrimRight(oneLine(e.Reason), "."); e.Expired {
		text = fmt.Sprintf("your order %d has been cancelled, because its payment did not arrive in time.", e.Number)
	} else if reason != "" {
		text = fmt.Sprintf("your order %d has been cancelled: %s.", e.Number, reason)
	}
	if e.Payment == order.PaymentRefundDue {
		text += fmt.Sprintf(" Your %s will be given back.", amount(s, e.Total, e.Currency))
	}
	return told(s, e.Change, fmt.Sprintf("Order %d has been cancelled", e.Number), text, "Your order:")
}

// told makes a draft of one sentence that begins in lower case.
func told(s shop.Settings, c order.Change, subject, text, before string) draft {
	return draft{
		subject: subject + " (" + oneLine(s.Name) + ")",
		short:   oneLine(s.Name) + ": " + text,
		long:    greeting(c.Name) + strings.ToUpper(text[:1]) + text[1:],
		before:  before,
	}
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
