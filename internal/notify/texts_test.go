package notify_test

import (
	"errors"
	"strings"
	"testing"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/id"
	"haat/internal/notify"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

func (s *scene) setText(kind notify.Kind, language string, w notify.Words) (notify.Text, error) {
	var in notify.SetTextIn
	in.Body.Kind, in.Body.Language, in.Body.Words = kind, language, w
	return notify.SetText.Do(s.t.Context(), s.room, op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}, in)
}

func (s *scene) told(c notify.Config, about order.OrderPlaced) (phone, mail string) {
	s.emit(about)
	s.settle()
	for _, m := range c.SMS.(*carrier).got() {
		if m.To == about.Phone {
			phone = m.Text
		}
	}
	for _, m := range c.Email.(*carrier).got() {
		if m.To == about.Email {
			mail = m.Subject + "\n" + m.Text
		}
	}
	return phone, mail
}

// A shop's own text is sent, in its language; what it resets is ours again, and
// a shop whose language is Hindi is served in Hindi.
func TestAShopsOwnTexts(t *testing.T) {
	play(t, func() notify.Config { return notify.Config{SMS: newCarrier(), Email: newCarrier()} }, func(s *scene, c notify.Config) {
		own := notify.Words{Subject: "Namaste {{.Name}}", Long: "{{.Shop}} says: {{.Number}} of {{.Total}}.\n{{if .Delivery}}With delivery.{{else}}Without.{{end}}", Short: "{{.Shop}} has {{.Number}}."}
		if got, err := s.setText(notify.Placed, "en", own); err != nil || !got.Own || !got.Used || got.Preview.Subject != "Namaste Asha" {
			s.t.Fatalf("%+v, %v", got, err)
		}
		if _, err := s.setText(notify.Placed, "hi", notify.Words{Subject: "x", Long: "x", Short: "never in English"}); err != nil {
			s.t.Fatal(err)
		}
		phone, mail := s.told(c, placed(1001, "+919876543210", "asha@example.com"))
		if phone != "Chai House has 1001. https://chai.haat.test/orders/tok1001" ||
			mail != "Namaste Asha\nChai House says: 1001 of ₹1,248.\nWith delivery.\n\nFollow it here:\nhttps://chai.haat.test/orders/tok1001\n" {
			s.t.Errorf("%q\n%q", phone, mail)
		}
		s.change(func(tx *db.Tx) error { // as an older program left it
			d, err := shop.Of(s.t.Context(), tx)
			if err == nil && d.Notices != shop.NoticesOwn {
				s.t.Errorf("whose words: %q", d.Notices)
			}
			d.Notices = ""
			return errors.Join(err, shop.Write(s.t.Context(), tx, d))
		})
		if phone, _ = s.told(c, placed(1004, "+919876543213", "")); phone != "Chai House has 1004. https://chai.haat.test/orders/tok1004" {
			s.t.Errorf("before it was noted that there are own texts: %q", phone)
		}
		for _, language := range notify.Languages {
			if got, err := s.setText(notify.Placed, language, notify.Words{}); err != nil || got.Own {
				s.t.Fatalf("%+v, %v", got, err)
			}
		}
		if phone, _ = s.told(c, placed(1002, "+919876543211", "")); !strings.HasPrefix(phone, "Chai House: we have your order 1002, ₹1,248, cash on delivery. ") {
			s.t.Errorf("reset: %q", phone)
		}
		s.change(func(tx *db.Tx) error {
			d, err := shop.Of(s.t.Context(), tx)
			if err != nil {
				return err
			}
			d.Locale = "hi-IN"
			return shop.Write(s.t.Context(), tx, d)
		})
		phone, mail = s.told(c, placed(1003, "+919876543212", "ravi@example.com"))
		if !strings.HasPrefix(phone, "Chai House: आपका ऑर्डर 1003 मिल गया, ₹1,248, डिलीवरी पर नकद।") || !strings.Contains(mail, "यहाँ देखें:\nhttps://") || !strings.Contains(mail, "3 × Masala Chai: ₹1,200\nडिलीवरी: ₹48\nकुल: ₹1,248") {
			s.t.Errorf("in Hindi: %q\n%q", phone, mail)
		}
		all, err := notify.ListTexts.Do(s.t.Context(), s.room, op.Caller{Account: id.Account{1}, Shop: s.room.Shop()}, op.Page{Limit: 250})
		if err != nil || len(all.Items) != len(notify.Kinds)*len(notify.Languages) {
			s.t.Fatalf("%d texts, %v", len(all.Items), err)
		}
		for _, x := range all.Items {
			if x.Used != (x.Language == "hi") || x.Own || x.Preview.Subject == "" || x.Preview.Long == "" || x.Preview.Short == "" || strings.Contains(x.Preview.Long, "{") {
				s.t.Errorf("%+v", x)
			}
		}
	})
}

// What is no template, says what there is not, or could do more than say words
// is refused beside its field, with the line.
func TestBadTextsAreRefused(t *testing.T) {
	good := notify.Words{Subject: "s", Long: "l", Short: "s"}
	for text, want := range map[string]string{
		"one\ntwo {{.Number":                         "line 2: ",
		"one\n{{if .Name}}two":                       "unexpected EOF",
		"one\n\n{{.Password}}":                       "line 3: there is no .Password",
		"{{.Shop.Name}}":                             "there is no .Shop.Name",
		"{{range .Lines}}x{{end}}":                   "not known here",
		"{{with .Name}}x{{end}}":                     "not known here",
		`{{template "x"}}`:                           "not known here",
		`{{define "x"}}y{{end}}z`:                    "not known here",
		"{{printf \"%1000000000d\" 1}}":              "is not a field",
		"{{.Name | html}}":                           "is not a field",
		"{{$x := .Name}}{{$x}}":                      "is not a field",
		"{{len .Name}}":                              "is not a field",
		"{{\"x\"}}":                                  "not known here",
		"{{if eq .Name .Shop}}x{{end}}":              "is not a field",
		" \n ":                                       "Write something",
		strings.Repeat("x", 4001):                    "At most 4000 letters",
		"{{if .Name}}{{if .Nobody}}x{{end}}{{end}}":  "there is no .Nobody",
		"{{if .Name}}x{{else}}{{call .Name}}{{end}}": "is not a field",
	} {
		w := good
		w.Long = text
		_, err := notify.Preview(shop.Settings{Name: "Chai"}, "en", w)
		if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || !strings.HasSuffix(f.Field, "long") || !strings.Contains(f.Message, want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	w := good
	w.Subject = "{{if .Expired}}never{{end}}"
	if _, err := notify.Preview(shop.Settings{}, "en", w); fault.Of(err) == nil || !strings.HasSuffix(fault.Of(err).Field, "subject") {
		t.Errorf("an empty subject: %v", err)
	}
	if said, err := notify.Preview(shop.Settings{Name: "A\nB"}, "hi", notify.Words{Subject: "{{.Shop}}\n!", Long: "{{.Items}}", Short: "a\nb"}); err != nil || said.Subject != "A B !" || said.Short != "a b" || said.Long != "3 चीज़ें" {
		t.Errorf("%+v, %v", said, err)
	}
}
