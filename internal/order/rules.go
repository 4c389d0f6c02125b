package order

import (
	"haat/internal/fault"
)

// Action is something that may be done to an order.
type Action string

const (
	ActAccept Action = "accept"
	ActFulfil Action = "fulfil"
	ActCancel Action = "cancel"
	ActPay    Action = "pay"
	ActNote   Action = "note"
)

// state is all that the rules look at.
type state struct {
	status  Status
	method  Method
	payment PaymentStatus
}

// rule is one row of the table: what an action makes of an order, or why not.
// Empty conditions match anything, and an empty outcome leaves things as they
// are. The first row that matches decides.
type rule struct {
	action  Action
	status  Status
	method  Method
	payment PaymentStatus

	toStatus  Status
	toPayment PaymentStatus
	code, why string // the refusal, if it is one
}

var rules = []rule{
	{action: ActAccept, status: StatusPlaced, method: UPI, payment: PaymentPending, code: "unpaid", why: "This order waits for its UPI payment. Mark it as paid first."},
	{action: ActAccept, status: StatusPlaced, toStatus: StatusAccepted},
	{action: ActAccept, status: StatusAccepted, code: "already", why: "This order is accepted already."},
	{action: ActAccept, status: StatusFulfilled, code: "fulfilled", why: "This order has been sent already."},
	{action: ActAccept, status: StatusCancelled, code: "cancelled", why: "This order was cancelled."},

	{action: ActFulfil, status: StatusFulfilled, code: "already", why: "This order has been sent already."},
	{action: ActFulfil, status: StatusCancelled, code: "cancelled", why: "This order was cancelled."},
	{action: ActFulfil, method: UPI, payment: PaymentPending, code: "unpaid", why: "This order waits for its UPI payment. Mark it as paid first."},
	{action: ActFulfil, status: StatusPlaced, toStatus: StatusFulfilled},
	{action: ActFulfil, status: StatusAccepted, toStatus: StatusFulfilled},

	{action: ActCancel, status: StatusCancelled, code: "already", why: "This order is cancelled already."},
	{action: ActCancel, status: StatusFulfilled, code: "fulfilled", why: "This order has been sent: it cannot be cancelled any more."},
	{action: ActCancel, payment: PaymentPending, toStatus: StatusCancelled, toPayment: PaymentVoid},
	{action: ActCancel, payment: PaymentPaid, toStatus: StatusCancelled, toPayment: PaymentRefundDue},

	{action: ActPay, status: StatusCancelled, code: "cancelled", why: "This order was cancelled: no payment is expected."},
	{action: ActPay, payment: PaymentPaid, code: "already", why: "This order is paid already."},
	{action: ActPay, payment: PaymentPending, toPayment: PaymentPaid},

	{action: ActNote},
}

// after gives the state that an action leads to, or a Conflict that says why
// it is not allowed.
func (s state) after(a Action) (state, error) {
	for _, r := range rules {
		if r.action != a || r.status != "" && r.status != s.status || r.method != "" && r.method != s.method ||
			r.payment != "" && r.payment != s.payment {
			continue
		}
		if r.code != "" {
			return s, fault.Conflict(r.code, "%s", r.why)
		}
		if r.toStatus != "" {
			s.status = r.toStatus
		}
		if r.toPayment != "" {
			s.payment = r.toPayment
		}
		return s, nil
	}
	return s, fault.Conflict("not-allowed", "This cannot be done to the order as it is.")
}

// allowed lists the actions that the state allows, in the order of a day's work.
func (s state) allowed() []Action {
	out := []Action{}
	for _, a := range []Action{ActAccept, ActPay, ActFulfil, ActCancel, ActNote} {
		if _, err := s.after(a); err == nil {
			out = append(out, a)
		}
	}
	return out
}
