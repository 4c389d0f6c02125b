// Package order takes a shopper from a cart to an order, and the merchant from
// an order to a parcel.
//
// A cart is a list of variants and quantities. It holds no stock and no
// prices: both are read from the catalogue whenever it is looked at. Its id is
// all it takes to read and change it, so the id is a secret of the shopper who
// made it: 62 of its bits are random. It is forgotten thirty days after its
// last change.
//
// [Place] makes an order in one change: prices are read again, the total made,
// stock sold (cash on delivery) or held until the merchant has the money
// (UPI), the customer remembered, a number drawn, the cart closed, and
// [OrderPlaced] emitted. What an order says about goods and money is written
// down when it is placed and never changes with the catalogue. The shopper
// follows it by its token, which cannot be guessed and is good for nothing
// else.
//
// What may happen to an order afterwards is the table in rules.go: from which
// state, to which state, and in which words it is refused otherwise. Every
// action is one change with its row in the timeline and its event. A UPI order
// whose hold runs out unpaid is cancelled by [Subscribe]'s subscriber.
package order
