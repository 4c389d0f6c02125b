package pay_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rsc.io/qr"

	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/pay"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

func TestMethods(t *testing.T) {
	for _, c := range []struct {
		config pay.Config
		want   []pay.Method
	}{
		{pay.Config{}, nil},
		{pay.Config{COD: true, Currency: "INR"}, []pay.Method{pay.COD}},
		{pay.Config{COD: true, VPA: "ravi@okbank", Currency: "INR"}, []pay.Method{pay.COD, pay.UPI}},
		{pay.Config{VPA: "ravi@okbank", Currency: "INR"}, []pay.Method{pay.UPI}},
		{pay.Config{COD: true, VPA: "ravi@okbank", Currency: "USD"}, []pay.Method{pay.COD}},
	} {
		if got := pay.Methods(c.config); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c.config, got)
		}
		for _, m := range []string{"cod", "upi", "", "card", "UPI"} {
			got, err := pay.Choose(c.config, m)
			if slices.Contains(c.want, pay.Method(m)) {
				if err != nil || string(got) != m {
					t.Errorf("%+v: %q: %q, %v", c.config, m, got, err)
				}
			} else if f := fault.Of(err); f == nil || f.Kind != fault.KindInvalid || f.Field != "/payment" {
				t.Errorf("%+v: %q: %q, %v", c.config, m, got, err)
			}
		}
	}
}

func TestParseVPA(t *testing.T) {
	for text, want := range map[string]string{
		"ravi@okbank": "ravi@okbank", " Ravi.Kumar-1_x@YBL ": "ravi.kumar-1_x@ybl", "9876543210@upi": "9876543210@upi",
		"ravi@gmail.com": "", "ravi": "", "@okbank": "", "r@okbank": "", "ravi@": "", "ra vi@okbank": "", "ravi@ok@bank": "",
		"ravi@okbank&am=1": "", "ravi@okbank\n": "ravi@okbank", "रवि@okbank": "", "ravi@1bank": "",
	} {
		got, err := pay.ParseVPA(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if f := fault.Of(err); f != nil && f.Field != "/upi/vpa" {
			t.Errorf("%q: %+v", text, f)
		}
	}
}

func TestUPILink(t *testing.T) {
	got := pay.UPILink("ravi@okbank", "Ravi's Kirana & Sons", 104950, "INR", "#1001", "Order 1001 at Ravi's Kirana")
	want := "upi://pay?pa=ravi@okbank&pn=Ravi%20s%20Kirana%20Sons&am=1049.50&cu=INR&tn=Order%201001%20at%20Ravi%20s%20Kirana&tr=1001"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Whatever the texts hold, a payment app reads the same six values.
	for _, text := range []string{"", "रवि की दुकान", "a&pa=thief@bank&am=1", "100% pure + fresh?#x", strings.Repeat("long ", 100), "\x00\n\u202e", "a;b=c"} {
		link := pay.UPILink("ravi@okbank", text, 5, "INR", text, text)
		u, err := url.Parse(link)
		if err != nil || u.Scheme != "upi" || u.Host != "pay" || u.Fragment != "" || strings.Contains(link, "+") {
			t.Errorf("%q: %s: %v", text, link, err)
			continue
		}
		q := u.Query()
		for name, want := range map[string]string{"pa": "ravi@okbank", "am": "0.05", "cu": "INR"} {
			if got := q[name]; len(got) != 1 || got[0] != want {
				t.Errorf("%q: %s is %q", text, name, got)
			}
		}
		if n := len([]rune(q.Get("tn"))); n > 50 {
			t.Errorf("%q: a note of %d characters", text, n)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9]{0,35}$`).MatchString(q.Get("tr")) {
			t.Errorf("%q: the reference is %q", text, q.Get("tr"))
		}
	}
	if got := pay.UPILink("ravi@okbank", "रवि", 100, "INR", "7", ""); !strings.Contains(got, "pn=%E0%A4%B0%E0%A4%B5%E0%A4%BF&") {
		t.Errorf("a name in Devanagari is written %s", got)
	}
}

func TestQR(t *testing.T) {
	text := pay.UPILink("ravi@okbank", "Ravi", 104950, "INR", "1001", "Order 1001")
	svg, err := pay.QR(text)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(svg, "<path") != 1 || strings.Contains(svg, "style") || strings.Contains(svg, "script") {
		t.Errorf("%s", svg)
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	n := code.Size + 8
	if want := fmt.Sprintf(`viewBox="0 0 %d %d"`, n, n); !strings.Contains(svg, want) {
		t.Errorf("no %s: the margin is not four modules wide", want)
	}
	black := map[[2]int]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg, -1) {
		var x, y, w, back int
		if _, err := fmt.Sscan(strings.Join(m[1:], " "), &x, &y, &w, &back); err != nil || w != back {
			t.Fatalf("%v: %v", m, err)
		}
		for i := range w {
			black[[2]int{x + i, y}] = true
		}
	}
	for y := range n {
		for x := range n {
			if got, want := black[[2]int{x, y}], code.Black(x-4, y-4); got != want {
				t.Fatalf("module %d, %d is black: %t", x, y, got)
			}
		}
	}
	if _, err := pay.QR(strings.Repeat("x", 5000)); err == nil {
		t.Error("5,000 bytes fit into a QR code")
	}
}

func TestPaymentMovesOn(t *testing.T) {
	fleettest.Each(t, []*db.SchemaSet{pay.Schema}, func(t *testing.T, room *fleet.Room) {
		type move = func(context.Context, *db.Tx, id.Order) (pay.Payment, error)
		for _, c := range []struct {
			name  string
			moves []move
			want  pay.Status
			code  string // of the fault that the last move ends in
		}{
			{"opened", nil, pay.Pending, ""},
			{"paid", []move{pay.MarkPaid}, pay.Paid, ""},
			{"paid twice", []move{pay.MarkPaid, pay.MarkPaid}, pay.Paid, "already-paid"},
			{"cancelled", []move{pay.Void}, pay.Voided, ""},
			{"cancelled twice", []move{pay.Void, pay.Void}, pay.Voided, ""},
			{"cancelled, then paid", []move{pay.Void, pay.MarkPaid}, pay.Voided, "void"},
			{"paid, then cancelled", []move{pay.MarkPaid, pay.Void}, pay.RefundDue, ""},
			{"paid, cancelled twice", []move{pay.MarkPaid, pay.Void, pay.Void}, pay.RefundDue, ""},
			{"refund due, then paid", []move{pay.MarkPaid, pay.Void, pay.MarkPaid}, pay.RefundDue, "already-paid"},
		} {
			order := id.Order(id.New[struct{}]())
			change := func(fn func(ctx context.Context, tx *db.Tx) error) error {
				_, err := room.Change(t.Context(), func(tx *db.Tx) error { return fn(t.Context(), tx) })
				return err
			}
			err := change(func(ctx context.Context, tx *db.Tx) error {
				_, err := pay.Open(ctx, tx, order, pay.UPI, 104950)
				return err
			})
			for _, m := range c.moves {
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				err = change(func(ctx context.Context, tx *db.Tx) error { _, err := m(ctx, tx, order); return err })
			}
			if f := fault.Of(err); (f == nil) != (c.code == "") || f != nil && (f.Code != c.code || f.Kind != fault.KindConflict) || f == nil && err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			err = room.View(t.Context(), fleet.Newest, func(r db.Reader) error {
				p, err := pay.Of(t.Context(), r, order)
				if p.Status != c.want || p.Amount != 104950 || p.Method != pay.UPI || p.Order != order || p.At.IsZero() {
					t.Errorf("%s: %+v", c.name, p)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			again := change(func(ctx context.Context, tx *db.Tx) error {
				_, err := pay.Open(ctx, tx, order, pay.COD, 1)
				return err
			})
			if !errors.Is(again, db.ErrUnique) {
				t.Errorf("%s: opened again: %v", c.name, again)
			}
		}
		unknown := func(tx *db.Tx) error {
			_, err := pay.MarkPaid(t.Context(), tx, id.Order(id.New[struct{}]()))
			return err
		}
		if _, err := room.Change(t.Context(), unknown); !fault.Is(err, fault.KindNotFound) {
			t.Errorf("an unknown order is paid: %v", err)
		}
	})
}
