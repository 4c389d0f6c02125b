package customer_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"haat/internal/customer"
	"haat/internal/db"
	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/fleet/fleettest"
	"haat/internal/id"
	"haat/internal/op"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

var schemas = []*db.SchemaSet{op.Schema, customer.Schema}

var desk = customer.NewDesk(func(context.Context, db.Reader) (string, error) { return "INR", nil })

func record(t *testing.T, room *fleet.Room, p customer.Person, spent int64, at time.Time) (key id.Customer) {
	t.Helper()
	_, err := room.Change(t.Context(), func(tx *db.Tx) (err error) {
		key, err = customer.Record(t.Context(), tx, p, spent, at)
		return err
	})
	if err != nil {
		t.Fatalf("record %+v: %v", p, err)
	}
	return key
}

func merchant(room *fleet.Room) op.Caller {
	return op.Caller{Account: id.Account(id.New[struct{}]()), Shop: room.Shop()}
}

func find(t *testing.T, room *fleet.Room, q string) (names []string) {
	t.Helper()
	out, err := desk.List.Do(t.Context(), room, merchant(room), customer.Search{Q: q})
	if err != nil {
		t.Fatalf("search %q: %v", q, err)
	}
	for _, c := range out.Items {
		names = append(names, c.Name)
	}
	return names
}

func TestRecord(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		ctx, at := t.Context(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		asha := record(t, room, customer.Person{Name: "Asha", Email: "asha@example.com"}, 100, at)
		if again := record(t, room, customer.Person{Name: "Asha Rao", Phone: "+919876543210", Email: "asha@example.com"}, 200, at.Add(time.Hour)); again != asha {
			t.Error("who had given an e-mail address only was not known again with a number")
		}
		if again := record(t, room, customer.Person{Phone: "+919876543210"}, 300, at); again != asha {
			t.Error("not known by phone")
		}
		if again := record(t, room, customer.Person{Name: "A. Rao", Email: "asha@example.com"}, 50, at); again != asha {
			t.Error("not known by e-mail")
		}
		if other := record(t, room, customer.Person{Name: "Ravi", Phone: "+919876500000", Email: "asha@example.com"}, 10, at); other == asha {
			t.Error("another number with the same e-mail address is another customer")
		}
		c, err := desk.Get.Do(ctx, room, merchant(room), customer.One{Customer: asha.String()})
		if err != nil || c.Orders != 4 || c.Spent.String() != "6.50 INR" || c.Name != "A. Rao" || c.Phone != "+919876543210" || c.Email != "asha@example.com" || !c.LastOrderAt.Equal(at.Add(time.Hour)) || !c.CreatedAt.Equal(at) {
			t.Errorf("%+v, %v", c, err)
		}
		_, err = room.Change(ctx, func(tx *db.Tx) error { return customer.Cancelled(ctx, tx, asha, 600) })
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := desk.Get.Do(ctx, room, merchant(room), customer.One{Customer: asha.String()}); c.Spent.Amount != 50 || c.Orders != 4 {
			t.Errorf("after a cancelled order: %+v", c)
		}
		_, err = room.Change(ctx, func(tx *db.Tx) error {
			_, err := customer.Record(ctx, tx, customer.Person{Name: "Nobody"}, 1, at)
			return err
		})
		if !fault.Is(err, fault.KindInvalid) {
			t.Errorf("without a contact: %v", err)
		}
		for _, bad := range []string{"", "x", id.Customer(id.New[struct{}]()).String()} {
			if _, err := desk.Get.Do(ctx, room, merchant(room), customer.One{Customer: bad}); !fault.Is(err, fault.KindNotFound) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

func TestOneCustomerHoweverManyAtOnce(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		const n = 40
		keys := make([]id.Customer, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				p := customer.Person{Name: "Asha", Phone: "+919876543210"}
				if i%2 == 0 {
					p = customer.Person{Name: "Ravi", Email: "ravi@example.com"}
				}
				keys[i] = record(t, room, p, 10, time.Now())
			})
		}
		wg.Wait()
		for i := range n {
			if keys[i] != keys[i%2] {
				t.Fatalf("order %d is another customer's", i)
			}
		}
		for i := range 2 {
			c, err := desk.Get.Do(t.Context(), room, merchant(room), customer.One{Customer: keys[i].String()})
			if err != nil || c.Orders != n/2 || c.Spent.Amount != 10*n/2 {
				t.Errorf("%+v, %v", c, err)
			}
		}
	})
}

func TestSearchAndPages(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		record(t, room, customer.Person{Name: "José Álvarez", Phone: "+34612345678", Email: "jose@example.es"}, 1, at)
		record(t, room, customer.Person{Name: "रवि शर्मा", Phone: "+919876543210"}, 1, at.Add(1))
		record(t, room, customer.Person{Name: "100% Cotton", Email: "a_b@example.com"}, 1, at.Add(2))
		record(t, room, customer.Person{Phone: "+34612345678"}, 1, at) // leaves everything else out
		for q, want := range map[string][]string{
			"jose": {"José Álvarez"}, "ALVA": {"José Álvarez"}, "josé al": {"José Álvarez"}, "varez": nil,
			"रवि": {"रवि शर्मा"}, "98765": {"रवि शर्मा"}, "098765 432": {"रवि शर्मा"}, "+91 98765-43210": {"रवि शर्मा"}, "3210": nil,
			"jose@": {"José Álvarez"}, "100%": {"100% Cotton"}, "a_b": {"100% Cotton"}, "a_": {"100% Cotton"}, "_": nil, "%": nil, `\`: nil,
		} {
			if got := find(t, room, q); !slices.Equal(got, want) {
				t.Errorf("%q finds %q, want %q", q, got, want)
			}
		}
		for i := range 7 {
			record(t, room, customer.Person{Name: fmt.Sprint("Many ", i), Phone: fmt.Sprintf("+9190000000%02d", i)}, 1, at.Add(time.Minute))
		}
		for q, want := range map[string]int{"": 10, "many": 7} {
			seen, in := map[id.Customer]bool{}, customer.Search{Page: op.Page{Limit: 3}, Q: q}
			for {
				out, err := desk.List.Do(t.Context(), room, merchant(room), in)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range out.Items {
					if seen[c.ID] {
						t.Errorf("%s is on two pages", c.Name)
					}
					seen[c.ID] = true
				}
				if in.Cursor = out.Next; out.Next == "" {
					break
				}
			}
			if len(seen) != want {
				t.Errorf("%q: %d customers on all pages, want %d", q, len(seen), want)
			}
		}
	})
}

func TestExport(t *testing.T) {
	fleettest.Each(t, schemas, func(t *testing.T, room *fleet.Room) {
		at := time.Date(2026, 1, 1, 20, 0, 0, 0, time.UTC)
		zone := time.FixedZone("IST", 19800)
		const many = 1201 // of which the last page is short
		_, err := room.Change(t.Context(), func(tx *db.Tx) error {
			for i := range many {
				p := customer.Person{Name: fmt.Sprint("Many ", i), Phone: fmt.Sprintf("+91900000%04d", i)}
				if i == 0 {
					p = customer.Person{Name: "=cmd", Email: "a@example.com"}
				}
				if _, err := customer.Record(t.Context(), tx, p, 12_50, at.Add(time.Duration(i)*time.Second)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := desk.Export(t.Context(), room, zone, &text); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&text).ReadAll()
		if err != nil || len(rows) != many+1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		seen := map[string]bool{}
		for _, r := range rows[1:] {
			seen[r[8]] = true
			if r[0] == "'=cmd" && !slices.Equal(r[1:8], []string{"", "a@example.com", "1", "12.50", "INR", "2026-01-02T01:30:00+05:30", "2026-01-02T01:30:00+05:30"}) {
				t.Errorf("%q", r)
			}
		}
		if len(seen) != many {
			t.Errorf("%d customers", len(seen))
		}
	})
}
