package notify

import (
	"fmt"

	"haat/internal/order"
)

// phrases are the words of a language that stand in fields and around texts.
type phrases struct {
	cash, upi, reason        string
	item, several            string
	follow, pay, yours, here string // what a link is introduced with
}

var spoken = map[string]phrases{
	"en": {
		cash: "cash on delivery", upi: "by UPI", reason: "Out of stock", item: "%d item", several: "%d items",
		follow: "Follow it here:", pay: "Pay and follow it here:", yours: "Your order:", here: "See it here:",
	},
	"hi": {
		cash: "डिलीवरी पर नकद", upi: "UPI से", reason: "स्टॉक में नहीं है", item: "%d चीज़", several: "%d चीज़ें",
		follow: "यहाँ देखें:", pay: "यहाँ भुगतान करें और देखें:", yours: "आपका ऑर्डर:", here: "यहाँ देखें:",
	},
}

func wordsOf(locale string) phrases { return spoken[languageOf(locale)] }

func (p phrases) items(n int64) string {
	if n == 1 {
		return fmt.Sprintf(p.item, n)
	}
	return fmt.Sprintf(p.several, n)
}

func (p phrases) payment(m order.Method) string {
	if m == order.CashOnDelivery {
		return p.cash
	}
	return p.upi
}

// before introduces the link.
func (p phrases) before(kind Kind, f fields) string {
	switch {
	case kind == Received:
		return p.here
	case kind == Placed && f.Payment == p.upi:
		return p.pay
	case kind == Placed || kind == Fulfilled:
		return p.follow
	}
	return p.yours
}

// texts is what notices say where a shop has no words of its own.
var texts = map[string]map[Kind]Words{
	"en": {
		Placed: {
			Subject: "Your order {{.Number}} at {{.Shop}}",
			Short:   "{{.Shop}}: we have your order {{.Number}}, {{.Total}}, {{.Payment}}.",
			Long: "Hello{{if .Name}} {{.Name}}{{end}},\n\nThank you for your order {{.Number}} at {{.Shop}}.\n\n" +
				"{{if .Lines}}{{.Lines}}\n{{end}}{{if .Delivery}}Delivery: {{.Delivery}}\n{{end}}Total: {{.Total}}, {{.Payment}}",
		},
		Received: {
			Subject: "New order {{.Number}}: {{.Total}}",
			Short:   "New order {{.Number}}: {{.Total}}, {{.Items}}, {{.Payment}}{{if .Customer}}, from {{.Customer}}{{end}}.",
			Long:    "New order {{.Number}}: {{.Total}}, {{.Items}}, {{.Payment}}{{if .Customer}}, from {{.Customer}}{{end}}.\n{{if .Goods}}\n{{.Goods}}{{end}}",
		},
		Paid: {
			Subject: "Payment received for order {{.Number}} ({{.Shop}})",
			Short:   "{{.Shop}}: we have your payment of {{.Total}} for order {{.Number}}. Thank you.",
			Long:    "Hello{{if .Name}} {{.Name}}{{end}},\n\nWe have your payment of {{.Total}} for order {{.Number}}. Thank you.",
		},
		Fulfilled: {
			Subject: "Order {{.Number}} is on its way ({{.Shop}})",
			Short:   "{{.Shop}}: your order {{.Number}} is on its way{{if .Carrier}} with {{.Carrier}}{{end}}{{if .Tracking}}, number {{.Tracking}}{{end}}{{if .Due}}. Please have {{.Total}} ready{{end}}.",
			Long:    "Hello{{if .Name}} {{.Name}}{{end}},\n\nYour order {{.Number}} is on its way{{if .Carrier}} with {{.Carrier}}{{end}}{{if .Tracking}}, number {{.Tracking}}{{end}}{{if .Due}}. Please have {{.Total}} ready{{end}}.",
		},
		Cancelled: {
			Subject: "Order {{.Number}} has been cancelled ({{.Shop}})",
			Short:   "{{.Shop}}: your order {{.Number}} has been cancelled{{if .Expired}}, because its payment did not arrive in time{{else}}{{if .Reason}}: {{.Reason}}{{end}}{{end}}.{{if .Refund}} Your {{.Total}} will be given back.{{end}}",
			Long:    "Hello{{if .Name}} {{.Name}}{{end}},\n\nYour order {{.Number}} has been cancelled{{if .Expired}}, because its payment did not arrive in time{{else}}{{if .Reason}}: {{.Reason}}{{end}}{{end}}.{{if .Refund}} Your {{.Total}} will be given back.{{end}}",
		},
	},
	"hi": {
		Placed: {
			Subject: "{{.Shop}} पर आपका ऑर्डर {{.Number}}",
			Short:   "{{.Shop}}: आपका ऑर्डर {{.Number}} मिल गया, {{.Total}}, {{.Payment}}।",
			Long: "नमस्ते{{if .Name}} {{.Name}}{{end}},\n\n{{.Shop}} पर आपके ऑर्डर {{.Number}} के लिए धन्यवाद।\n\n" +
				"{{if .Lines}}{{.Lines}}\n{{end}}{{if .Delivery}}डिलीवरी: {{.Delivery}}\n{{end}}कुल: {{.Total}}, {{.Payment}}",
		},
		Received: {
			Subject: "नया ऑर्डर {{.Number}}: {{.Total}}",
			Short:   "नया ऑर्डर {{.Number}}: {{.Total}}, {{.Items}}, {{.Payment}}{{if .Customer}}, {{.Customer}} से{{end}}।",
			Long:    "नया ऑर्डर {{.Number}}: {{.Total}}, {{.Items}}, {{.Payment}}{{if .Customer}}, {{.Customer}} से{{end}}।\n{{if .Goods}}\n{{.Goods}}{{end}}",
		},
		Paid: {
			Subject: "ऑर्डर {{.Number}} का भुगतान मिल गया ({{.Shop}})",
			Short:   "{{.Shop}}: ऑर्डर {{.Number}} के लिए आपका {{.Total}} का भुगतान मिल गया। धन्यवाद।",
			Long:    "नमस्ते{{if .Name}} {{.Name}}{{end}},\n\nऑर्डर {{.Number}} के लिए आपका {{.Total}} का भुगतान मिल गया। धन्यवाद।",
		},
		Fulfilled: {
			Subject: "ऑर्डर {{.Number}} रास्ते में है ({{.Shop}})",
			Short:   "{{.Shop}}: आपका ऑर्डर {{.Number}} भेज दिया गया है{{if .Carrier}}, {{.Carrier}} से{{end}}{{if .Tracking}}, नंबर {{.Tracking}}{{end}}।{{if .Due}} कृपया {{.Total}} तैयार रखें।{{end}}",
			Long:    "नमस्ते{{if .Name}} {{.Name}}{{end}},\n\nआपका ऑर्डर {{.Number}} भेज दिया गया है{{if .Carrier}}, {{.Carrier}} से{{end}}{{if .Tracking}}, नंबर {{.Tracking}}{{end}}।{{if .Due}} कृपया {{.Total}} तैयार रखें।{{end}}",
		},
		Cancelled: {
			Subject: "ऑर्डर {{.Number}} रद्द हो गया ({{.Shop}})",
			Short:   "{{.Shop}}: आपका ऑर्डर {{.Number}} रद्द हो गया है{{if .Expired}}, क्योंकि भुगतान समय पर नहीं मिला{{else}}{{if .Reason}}: {{.Reason}}{{end}}{{end}}।{{if .Refund}} आपके {{.Total}} लौटा दिए जाएँगे।{{end}}",
			Long:    "नमस्ते{{if .Name}} {{.Name}}{{end}},\n\nआपका ऑर्डर {{.Number}} रद्द हो गया है{{if .Expired}}, क्योंकि भुगतान समय पर नहीं मिला{{else}}{{if .Reason}}: {{.Reason}}{{end}}{{end}}।{{if .Refund}} आपके {{.Total}} लौटा दिए जाएँगे।{{end}}",
		},
	},
}
