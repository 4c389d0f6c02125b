package dashboard

import (
	"net/http"
	"slices"

	"haat/internal/notify"
	"haat/internal/op"
	"haat/internal/web"
)

// Messages is GET <base>/settings/messages: what order notices say.
type Messages struct {
	Frame
	Groups []MessageGroup
}

// MessageGroup is the notices of one language.
type MessageGroup struct {
	Title string
	Used  bool // it is the shop's
	Rows  []MessageRow
}

// MessageRow is one notice.
type MessageRow struct {
	Link, Title, Says string
	Own               bool
}

// MessageForm is GET <base>/settings/messages?kind=&language=, and POST there
// with the fields of the form and "do": save, try or reset.
type MessageForm struct {
	Frame
	Kind, Language, Title, In string
	Subject, Long, Short      string // as typed
	Own                       bool
	Fields                    []MessageField
	Preview                   *notify.Words // nil: what was typed cannot be shown
	Problems                  Problems
}

// MessageField is something that a text may say.
type MessageField struct{ Name, Means string }

var noticeTitles = map[notify.Kind]string{
	notify.Placed: "To the shopper: the order is placed", notify.Paid: "To the shopper: it is paid", notify.Fulfilled: "To the shopper: it is on its way",
	notify.Cancelled: "To the shopper: it is cancelled", notify.Received: "To you: a new order",
}

var languageTitles = map[string]string{"en": "English", "hi": "हिन्दी"}

var messageFields = []MessageField{
	{"Shop", "your shop's name"}, {"Number", "of the order"}, {"Total", "with currency"}, {"Payment", "how it is paid"}, {"Items", "how many, “3 items”"},
	{"Name", "the shopper's first name"}, {"Customer", "their whole name"}, {"Lines", "what was ordered, with prices"}, {"Goods", "what was ordered"}, {"Delivery", "what delivery costs, if anything"},
	{"Carrier", "who brings it"}, {"Tracking", "its number there"}, {"Reason", "why it is cancelled"},
	{"Due", "there is cash to be paid"}, {"Refund", "money is to be given back"}, {"Expired", "it was not paid in time"},
}

func (d *desk) texts() ([]notify.Text, error) {
	all, err := notify.ListTexts.Do(d.ctx(), d.room, d.by, op.Page{Limit: 250})
	return all.Items, err
}

func (d *desk) messages() error {
	if d.form("kind") != "" {
		return d.showMessage(http.StatusOK, nil, nil)
	}
	f, _, err := d.frame("Messages", SectionSettings)
	if err != nil {
		return err
	}
	all, err := d.texts()
	if err != nil {
		return err
	}
	v := Messages{Frame: f}
	for _, t := range all {
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Title != languageTitles[t.Language] {
			v.Groups = append(v.Groups, MessageGroup{Title: languageTitles[t.Language], Used: t.Used})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, MessageRow{
			Link: d.base + "/settings/messages?kind=" + string(t.Kind) + "&language=" + t.Language, Title: noticeTitles[t.Kind], Says: t.Preview.Short, Own: t.Own,
		})
	}
	slices.SortStableFunc(v.Groups, func(a, b MessageGroup) int {
		return map[bool]int{true: 0, false: 1}[a.Used] - map[bool]int{true: 0, false: 1}[b.Used]
	})
	return d.show(http.StatusOK, v.Page())
}

// showMessage shows the form of one notice; with what is said of a made-up
// order by what was typed, or else by what is stored.
func (d *desk) showMessage(status int, preview *notify.Words, problems Problems) error {
	f, _, err := d.frame("Messages", SectionSettings)
	if err != nil {
		return err
	}
	all, err := d.texts()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(t notify.Text) bool { return string(t.Kind) == d.form("kind") && t.Language == d.form("language") })
	if i < 0 {
		return web.Back(d.w, d.r, d.base+"/settings/messages")
	}
	t := all[i]
	if preview == nil && problems == nil {
		preview = &t.Preview
	}
	return d.show(status, MessageForm{
		Frame: f, Kind: string(t.Kind), Language: t.Language, Title: noticeTitles[t.Kind], In: languageTitles[t.Language], Own: t.Own, Fields: messageFields,
		Subject: d.typed("subject", t.Subject), Long: d.typed("long", t.Long), Short: d.typed("short", t.Short), Preview: preview, Problems: problems,
	}.Page())
}

func (d *desk) changeMessage() error {
	var in notify.SetTextIn
	in.Body.Kind, in.Body.Language = notify.Kind(d.form("kind")), d.form("language")
	typed := notify.Words{Subject: d.form("subject"), Long: d.form("long"), Short: d.form("short")}
	var err error
	said := "Saved."
	switch d.form("do") {
	case "reset":
		_, err = notify.SetText.Do(d.ctx(), d.room, d.by, in)
		said = "Our text is used again."
	case "try":
		_, s, frame := d.around("Messages", SectionSettings)
		if frame != nil {
			return frame
		}
		preview, bad := notify.Preview(s, in.Body.Language, typed)
		if f := wrong(bad); f != nil {
			return d.showMessage(http.StatusUnprocessableEntity, nil, beside(f, messageNames))
		}
		if bad != nil {
			return bad
		}
		return d.showMessage(http.StatusOK, &preview, nil)
	default:
		in.Body.Words = typed
		if typed == (notify.Words{}) {
			return d.showMessage(http.StatusUnprocessableEntity, nil, Problems{"long": "Write something, or use our text."})
		}
		_, err = notify.SetText.Do(d.ctx(), d.room, d.by, in)
	}
	if f := wrong(err); f != nil {
		return d.showMessage(http.StatusUnprocessableEntity, nil, beside(f, messageNames))
	}
	if err != nil {
		return err
	}
	return d.back("/settings/messages", Flash{Text: said})
}

var messageNames = map[string]string{"/subject": "subject", "/long": "long", "/short": "short"}
