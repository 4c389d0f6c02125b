package order

import (
	"testing"

	"haat/internal/fault"
)

// TestEveryActionInEveryState spells the whole table out: what each action
// makes of each state that an order can be in, and in every state what is
// refused, with which word.
func TestEveryActionInEveryState(t *testing.T) {
	type outcome struct {
		status  Status
		payment PaymentStatus
		code    string
	}
	no := func(code string) outcome { return outcome{code: code} }
	to := func(s Status, p PaymentStatus) outcome { return outcome{s, p, ""} }
	const p, a, f, c = StatusPlaced, StatusAccepted, StatusFulfilled, StatusCancelled
	const due, paid, void, refund = PaymentPending, PaymentPaid, PaymentVoid, PaymentRefundDue
	table := map[state][5]outcome{ // accept, fulfil, cancel, pay, note
		{p, CashOnDelivery, due}:    {to(a, due), to(f, due), to(c, void), to(p, paid), to(p, due)},
		{p, CashOnDelivery, paid}:   {to(a, paid), to(f, paid), to(c, refund), no("already"), to(p, paid)},
		{a, CashOnDelivery, due}:    {no("already"), to(f, due), to(c, void), to(a, paid), to(a, due)},
		{a, CashOnDelivery, paid}:   {no("already"), to(f, paid), to(c, refund), no("already"), to(a, paid)},
		{f, CashOnDelivery, due}:    {no("fulfilled"), no("already"), no("fulfilled"), to(f, paid), to(f, due)},
		{f, CashOnDelivery, paid}:   {no("fulfilled"), no("already"), no("fulfilled"), no("already"), to(f, paid)},
		{c, CashOnDelivery, void}:   {no("cancelled"), no("cancelled"), no("already"), no("cancelled"), to(c, void)},
		{c, CashOnDelivery, refund}: {no("cancelled"), no("cancelled"), no("already"), no("cancelled"), to(c, refund)},

		{p, UPI, due}:    {no("unpaid"), no("unpaid"), to(c, void), to(p, paid), to(p, due)},
		{p, UPI, paid}:   {to(a, paid), to(f, paid), to(c, refund), no("already"), to(p, paid)},
		{a, UPI, paid}:   {no("already"), to(f, paid), to(c, refund), no("already"), to(a, paid)},
		{f, UPI, paid}:   {no("fulfilled"), no("already"), no("fulfilled"), no("already"), to(f, paid)},
		{c, UPI, void}:   {no("cancelled"), no("cancelled"), no("already"), no("cancelled"), to(c, void)},
		{c, UPI, refund}: {no("cancelled"), no("cancelled"), no("already"), no("cancelled"), to(c, refund)},
	}
	actions := []Action{ActAccept, ActFulfil, ActCancel, ActPay, ActNote}
	for from, row := range table {
		allowed := 0
		for i, want := range row {
			now, err := from.after(actions[i])
			got := outcome{now.status, now.payment, ""}
			if f := fault.Of(err); f != nil && f.Kind == fault.KindConflict && f.Message != "" {
				got = no(f.Code)
			} else if err != nil {
				t.Errorf("%v, %s: %v", from, actions[i], err)
			}
			if got != want || now.method != from.method {
				t.Errorf("%v, %s: %+v, wanted %+v", from, actions[i], got, want)
			}
			if err != nil {
				continue
			}
			allowed++
			if _, known := table[now]; !known {
				t.Errorf("%v, %s leads to %v, which no order should be in", from, actions[i], now)
			}
		}
		if got := from.allowed(); len(got) != allowed {
			t.Errorf("%v allows %v, but %d actions work", from, got, allowed)
		}
	}
}
