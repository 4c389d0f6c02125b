package order_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"haat/internal/db"
	"haat/internal/op"
	"haat/internal/order"
	"haat/internal/shop"
)

// exported is an export's rows by the names of their columns.
func exported(t *testing.T, text []byte) (rows []map[string]string) {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func TestExportOfEveryOrder(t *testing.T) {
	stands(t, func(s *stand) {
		ctx := t.Context()
		s.settings(func(v *shop.Settings) { v.Delivery.Charge = 49_00 })
		mug, bowl := s.product("=Mug", 449_50, 100_000), s.product("Bowl", 390_00, 100_000)
		const many, batch = 5_000, 500
		for n := 0; n < many; n += batch {
			_, err := s.room.Change(ctx, func(tx *db.Tx) error {
				for range batch {
					in := wants(mug, 2)
					in.Body.Lines = append(in.Body.Lines, order.Wanted{Variant: bowl.String(), Quantity: 1})
					in.Body.ShippingAddress.Line1 = "@home"
					if _, err := order.Place.Run(ctx, tx, in); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		list, err := order.ListOrders.Do(ctx, s.room, s.by, order.ListIn{Page: op.Page{Limit: 1}})
		if err != nil {
			t.Fatal(err)
		}
		key := list.Items[0].ID.String()
		if _, err := order.Cancel.Do(ctx, s.room, s.by, order.CancelIn{Order: key, Body: &order.CancelBody{Reason: "-broken"}}); err != nil {
			t.Fatal(err)
		}

		// While it is written more orders come, which are not in it, and it ends.
		var text bytes.Buffer
		if err := order.Export(ctx, s.room, writes(func(b []byte) (int, error) {
			if _, err := order.Place.Do(ctx, s.room, op.Caller{Session: "x"}, wants(bowl, 1)); err != nil {
				return 0, err
			}
			return text.Write(b)
		})); err != nil {
			t.Fatal(err)
		}
		rows, total, seen := exported(t, text.Bytes()), 0.0, map[string]int{}
		for i, r := range rows {
			if want := strconv.Itoa(1001 + i/2); r["Order"] != want {
				t.Fatalf("row %d is of order %s, want %s", i, r["Order"], want)
			}
			seen[r["Order ID"]]++
			if r["Total"] != "" {
				v, err := strconv.ParseFloat(r["Total"], 64)
				if err != nil {
					t.Fatal(err)
				}
				total += v
			}
		}
		if len(rows) != 2*many || len(seen) != many || total != many*1338.00 {
			t.Errorf("%d rows of %d orders over %.2f", len(rows), len(seen), total)
		}
		first, second, last := rows[0], rows[1], rows[len(rows)-1]
		at, err := time.Parse(time.RFC3339, first["Placed at"])
		if _, offset := at.Zone(); err != nil || offset != 19800 || time.Since(at) > time.Hour {
			t.Errorf("placed at %s, %v", first["Placed at"], err)
		}
		for name, want := range map[string]string{"Product": "'=Mug", "Quantity": "2", "Price": "449.50", "Line total": "899.00", "Currency": "INR", "Subtotal": "1289.00", "Delivery": "49.00", "Total": "1338.00",
			"Name": "Asha Rao", "Phone": "+919876543210", "Address line 1": "'@home", "City": "Bengaluru", "Country": "IN", "Status": "placed", "Payment status": "pending", "Cancelled at": ""} {
			if first[name] != want {
				t.Errorf("%s is %q, want %q", name, first[name], want)
			}
		}
		if second["Product"] != "Bowl" || second["Total"] != "" || second["Currency"] != "INR" || second["Name"] != "Asha Rao" {
			t.Errorf("the second row is %v", second)
		}
		if last["Status"] != "cancelled" || last["Cancel reason"] != "'-broken" || last["Cancelled at"] == "" || last["Order ID"] != key {
			t.Errorf("the last row is %v", last)
		}
	})
}

type writes func([]byte) (int, error)

func (w writes) Write(b []byte) (int, error) { return w(b) }

// An export is written as it is read: never more than a page of orders waits
// to be taken, and when the other side hangs up, no more is read.
func TestExportIsWrittenAsItIsRead(t *testing.T) {
	stands(t, func(s *stand) {
		mug := s.product("Mug", 100_00, 100_000)
		_, err := s.room.Change(t.Context(), func(tx *db.Tx) error {
			for range 1000 {
				if _, err := order.Place.Run(t.Context(), tx, wants(mug, 1)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		gone, taken := errors.New("gone"), 0
		err = order.Export(t.Context(), s.room, writes(func(b []byte) (int, error) {
			if taken += len(b); taken > 4096 {
				return 0, gone
			}
			return len(b), nil
		}))
		if !errors.Is(err, gone) || taken > 20_000 {
			t.Errorf("after %d bytes: %v", taken, err)
		}
	})
}

func TestExportOfAShopWithoutOrders(t *testing.T) {
	stands(t, func(s *stand) {
		var text bytes.Buffer
		if err := order.Export(t.Context(), s.room, &text); err != nil || len(exported(t, text.Bytes())) != 0 || !bytes.HasPrefix(text.Bytes(), []byte("Order,Placed at,")) {
			t.Error(fmt.Sprintf("%q", text.String()), err)
		}
	})
}
