package drill

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// patience is how long a shopper's app tries again.
const patience = 40 * time.Second

// place places an order as a shopper's app does: what is not answered, or is
// answered with "later", is sent again, under the same key.
func (s *shop) place(ctx context.Context, addr, name, payment string) error {
	return s.anywhere(ctx, []string{addr}, 0, name, payment)
}

// anywhere is place where several processes serve: each time the next one.
func (s *shop) anywhere(ctx context.Context, addrs []string, first int, name, payment string) error {
	n := first
	return again(ctx, func() error {
		n++
		_, err := s.order(addrs[n%len(addrs)], name, payment).do(ctx, nil)
		return err
	})
}

// again tries until it is answered with anything but "later", or patience ends.
func again(ctx context.Context, try func() error) error {
	late := time.Now().Add(patience)
	for {
		err := try()
		later := statusOf(err) == 0 || statusOf(err) >= http.StatusInternalServerError || statusOf(err) == http.StatusTooManyRequests
		if err == nil || !later || time.Now().After(late) {
			return err
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// orders counts the shop's orders by their shoppers' names.
func (s *shop) orders(ctx context.Context, addr string) (map[string]int, error) {
	var text string
	if _, err := s.desk(addr, "GET", "/exports/orders.csv", nil).do(ctx, &text); err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, errors.Join(errors.New("read the orders"), err)
	}
	at := -1
	for i, name := range rows[0] {
		if name == "Name" {
			at = i
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("the orders have no column Name: %v", rows[0])
	}
	out := map[string]int{}
	for _, row := range rows[1:] {
		out[row[at]]++
	}
	return out, nil
}

// compare holds what shoppers were told against what the shop has: orders that
// were acknowledged and are not there, and those that are there more than once.
func compare(fates []fate, name func(n int) string, orders map[string]int) (acknowledged, lost, doubled int) {
	for _, f := range fates {
		if f.err == nil {
			acknowledged++
			if orders[name(f.n)] == 0 {
				lost++
			}
		}
	}
	for _, n := range orders {
		doubled += n - 1
	}
	return acknowledged, lost, doubled
}
