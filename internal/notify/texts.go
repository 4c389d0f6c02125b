package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/maypok86/otter/v2"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/op"
	"haat/internal/shop"
)

// Words are the templates of a notice: of an e-mail, and of a message to a
// phone. The link to the order follows them.
type Words struct {
	Subject string `json:"subject" maxLength:"200" doc:"Of an e-mail"`
	Long    string `json:"long" maxLength:"4000" doc:"Of an e-mail"`
	Short   string `json:"short" maxLength:"500" doc:"To a phone"`
}

// Text is what a notice says in a language.
type Text struct {
	Kind     Kind   `json:"kind" enum:"placed,received,paid,fulfilled,cancelled"`
	Language string `json:"language" enum:"en,hi" doc:"Used by shops whose locale is of this language; English by those of any other"`
	Words
	Own     bool   `json:"own" doc:"It is the shop's; false: the platform's"`
	Used    bool   `json:"used" doc:"It is of the shop's language now"`
	Preview Words  `json:"preview" doc:"What it says of a made-up order"`
	Fields  string `json:"fields" doc:"What may be put into it"`
}

// Kinds are the notices whose text a shop may change.
var Kinds = []Kind{Placed, Received, Paid, Fulfilled, Cancelled}

// Languages are those that the platform has texts in, its own first.
var Languages = []string{"en", "hi"}

// fields is what a template may say. Those of other kinds are empty in a notice
// that has none of it.
type fields struct {
	Shop, Number, Total, Payment, Items string
	Name, Customer                      string // to greet with; in full
	Lines, Goods, Delivery              string // with prices; without
	Carrier, Tracking, Reason           string
	Due, Refund, Expired                bool // cash at the door; money to be given back; for want of a payment
}

// fieldNames is what a template may name.
var fieldNames = func() (names []string) {
	for f := range reflect.TypeFor[fields]().Fields() {
		names = append(names, f.Name)
	}
	return names
}()

// example is a made-up order, to try templates with.
func example(name, locale string) fields {
	w := wordsOf(locale)
	return fields{
		Shop: name, Number: "1001", Total: "₹1,248", Payment: w.cash, Items: w.items(3), Name: "Asha", Customer: "Asha Rao",
		Lines: "3 × Masala Chai: ₹1,200", Goods: "3 × Masala Chai", Delivery: "₹48", Carrier: "India Post", Tracking: "EE123456789IN", Reason: w.reason, Due: true, Refund: true,
	}
}

// templates are those that were used of late: to parse one anew for every notice
// was a twelfth of an order.
var templates = otter.Must(&otter.Options[wording, *template.Template]{
	MaximumWeight: 1 << 20, // of text; a template is some ten times as large
	Weigher:       func(w wording, _ *template.Template) uint32 { return uint32(len(w.text) + 64) },
})

// wording is a template as it is written, and the name that errors know it by.
type wording struct{ name, text string }

// parsed gives a template that says nothing but words and fields, with {{if}}
// around some of them: it always ends, and is at most a few times as long as it
// and what it names.
func parsed(name, text string) (*template.Template, error) {
	if t, ok := templates.GetIfPresent(wording{name, text}); ok {
		return t, nil
	}
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, inLine(err)
	}
	if len(t.Templates()) > 1 || t.Tree == nil && text != "" {
		return nil, errors.New("{{define}} is not known here")
	}
	if t.Tree != nil {
		if err := plain(t.Tree, t.Root); err != nil {
			return nil, err
		}
	}
	templates.Set(wording{name, text}, t)
	return t, nil
}

var templateError = regexp.MustCompile(`^template: [a-z]+:(\d+):(?:\d+:)? (.*)$`)

// inLine says where a template is wrong, as people say it.
func inLine(err error) error {
	if m := templateError.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("line %s: %s", m[1], m[2])
	}
	return err
}

// plain refuses whatever may not be in a template.
func plain(tree *parse.Tree, n parse.Node) error {
	bad := func(what string) error {
		at, _ := tree.ErrorContext(n)
		line := "1"
		if parts := strings.Split(at, ":"); len(parts) > 1 {
			line = parts[1]
		}
		return fmt.Errorf("line %s: %s; there are {{.%s}}, and {{if .Field}}…{{else}}…{{end}}", line, what, strings.Join(fieldNames, "}}, {{."))
	}
	switch n := n.(type) {
	case nil, *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, x := range n.Nodes {
			if err := plain(tree, x); err != nil {
				return err
			}
		}
		return nil
	case *parse.ActionNode:
		return plain(tree, n.Pipe)
	case *parse.IfNode:
		for _, x := range []parse.Node{n.Pipe, n.List, n.ElseList} {
			if err := plain(tree, x); err != nil {
				return err
			}
		}
		return nil
	case *parse.PipeNode:
		if len(n.Decl) != 0 || len(n.Cmds) != 1 || len(n.Cmds[0].Args) != 1 {
			return bad(n.String() + " is not a field")
		}
		return plain(tree, n.Cmds[0].Args[0])
	case *parse.FieldNode:
		if len(n.Ident) != 1 || !slices.Contains(fieldNames, n.Ident[0]) {
			return bad("there is no " + n.String())
		}
		return nil
	}
	return bad("“" + n.String() + "” is not known here")
}

// fill gives what a template says.
func fill(name, text string, f fields) (string, error) {
	t, err := parsed(name, text)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if t.Tree == nil {
		return "", nil
	}
	err = t.Execute(&b, f)
	return b.String(), err
}

// say gives what words say of something.
func (w Words) say(f fields) (said Words, err error) {
	for _, x := range []struct {
		name, text string
		to         *string
	}{{"subject", w.Subject, &said.Subject}, {"long", w.Long, &said.Long}, {"short", w.Short, &said.Short}} {
		if *x.to, err = fill(x.name, x.text, f); err != nil {
			return said, fault.Invalid("/"+x.name, "%s.", err)
		}
	}
	said.Subject, said.Short = oneLine(said.Subject), oneLine(said.Short)
	return said, nil
}

// check refuses words that cannot be sent.
func (w Words) check() error {
	for _, x := range []struct {
		name, text string
		most       int
	}{{"/subject", w.Subject, 200}, {"/long", w.Long, 4000}, {"/short", w.Short, 500}} {
		if strings.TrimSpace(x.text) == "" {
			return fault.Invalid(x.name, "Write something.")
		}
		if len([]rune(x.text)) > x.most {
			return fault.Invalid(x.name, "At most %d letters.", x.most)
		}
	}
	said, err := w.say(example("Shop", ""))
	if err == nil && said.Subject == "" {
		err = fault.Invalid("/subject", "It says nothing.")
	}
	return err
}

// Preview gives what words would say of a made-up order, or refuses them as
// SetText does.
func Preview(s shop.Settings, language string, w Words) (Words, error) {
	if err := w.check(); err != nil {
		return Words{}, err
	}
	return w.say(example(oneLine(s.Name), language))
}

// languageOf is the language of a shop's notices.
func languageOf(locale string) string {
	base, _, _ := strings.Cut(locale, "-")
	if slices.Contains(Languages, base) {
		return base
	}
	return Languages[0]
}

var (
	readText  = db.Q(`SELECT subject, long, short FROM notify_text WHERE shop = $1 AND kind = $2 AND language = $3`)
	readTexts = db.Q(`SELECT kind, language, subject, long, short FROM notify_text WHERE shop = $1`)
	putText   = db.Q(`
		INSERT INTO notify_text (shop, kind, language, subject, long, short) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (shop, kind, language) DO UPDATE SET subject = excluded.subject, long = excluded.long, short = excluded.short`)
	dropText = db.Q(`DELETE FROM notify_text WHERE shop = $1 AND kind = $2 AND language = $3`)
)

// draft says something of an order in the shop's own words, or in ours.
func (p *Post) draft(ctx context.Context, tx *db.Tx, s shop.Settings, kind Kind, f fields) (draft, error) {
	language := languageOf(s.Locale)
	var own Words
	var found bool
	var err error
	if s.Notices != shop.NoticesOurs {
		own, found, err = db.One(ctx, tx, readText, func(w *Words) []any { return []any{&w.Subject, &w.Long, &w.Short} }, kind, language)
		if err != nil {
			return draft{}, err
		}
	}
	said, bad := own.say(f)
	if !found || bad != nil { // it was looked at when it was saved: another haat knows other fields
		if found {
			p.log.Error("a shop's text of a notice cannot be used; ours is sent", "shop", tx.Shop(), "kind", kind, "language", language, "err", bad)
		}
		if said, err = texts[language][kind].say(f); err != nil {
			return draft{}, err
		}
	}
	return draft{subject: said.Subject, short: said.Short, long: said.Long, before: wordsOf(language).before(kind, f)}, nil
}

// The texts of a shop's notices.
var (
	ListTexts = op.Read[op.Page, op.List[Text]]{
		Name: "notify.list-texts", Route: "GET /message-texts", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "List what order notices say, in each language", Run: listTexts,
	}
	SetText = op.Write[SetTextIn, Text]{
		Name: "notify.set-text", Route: "PUT /message-texts", Role: op.Merchant,
		Summary: "Change what an order notice says in a language, or take the platform's text again", Run: setText,
	}
)

// SetTextIn changes what a notice says.
type SetTextIn struct {
	op.By
	Body struct {
		Kind     Kind   `json:"kind" enum:"placed,received,paid,fulfilled,cancelled"`
		Language string `json:"language" enum:"en,hi"`
		Words
	} `doc:"With subject, long and short empty, the platform's text is used again"`
}

func listTexts(ctx context.Context, r db.Reader, in op.Page) (op.List[Text], error) {
	all, err := allTexts(ctx, r)
	if err != nil {
		return op.List[Text]{}, err
	}
	return op.Slice(all, in)
}

func allTexts(ctx context.Context, r db.Reader) (all []Text, err error) {
	s, err := shop.Of(ctx, r)
	if err != nil {
		return nil, err
	}
	own, err := db.All(ctx, r, readTexts, func(t *Text) []any { return []any{&t.Kind, &t.Language, &t.Subject, &t.Long, &t.Short} })
	if err != nil {
		return nil, err
	}
	for _, language := range Languages {
		for _, kind := range Kinds {
			t := Text{Kind: kind, Language: language, Words: texts[language][kind]}
			if i := slices.IndexFunc(own, func(o Text) bool { return o.Kind == kind && o.Language == language }); i >= 0 {
				t.Words, t.Own = own[i].Words, true
			}
			t.Used, t.Fields = languageOf(s.Locale) == language, strings.Join(fieldNames, " ")
			if t.Preview, err = t.Words.say(example(oneLine(s.Name), language)); err != nil {
				t.Preview = Words{}
			}
			all = append(all, t)
		}
	}
	return all, nil
}

func setText(ctx context.Context, tx *db.Tx, in SetTextIn) (Text, error) {
	b := in.Body
	if !slices.Contains(Kinds, b.Kind) {
		return Text{}, fault.Invalid("/kind", "There is no such notice.")
	}
	if !slices.Contains(Languages, b.Language) {
		return Text{}, fault.Invalid("/language", "There is no such language: %s.", strings.Join(Languages, ", "))
	}
	settings, err := shop.ToChange(ctx, tx)
	if err != nil {
		return Text{}, err
	}
	if b.Words == (Words{}) {
		_, err = tx.Exec(ctx, dropText, b.Kind, b.Language)
	} else if err = b.Words.check(); err == nil {
		_, err = tx.Exec(ctx, putText, b.Kind, b.Language, b.Subject, b.Long, b.Short)
	}
	if err != nil {
		return Text{}, err
	}
	all, err := allTexts(ctx, tx)
	if err != nil {
		return Text{}, err
	}
	// Every order reads the settings, and so need not look for words that are not there.
	whose := shop.NoticesOurs
	if slices.ContainsFunc(all, func(t Text) bool { return t.Own }) {
		whose = shop.NoticesOwn
	}
	if settings.Notices != whose {
		settings.Notices = whose
		if err := shop.Write(ctx, tx, settings); err != nil {
			return Text{}, err
		}
	}
	for _, t := range all {
		if t.Kind == b.Kind && t.Language == b.Language {
			return t, nil
		}
	}
	return Text{}, fault.NotFound("There is no such notice.")
}
