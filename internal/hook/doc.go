// Package hook tells a shop's other systems what happened, by HTTP.
//
// A webhook is an address of the merchant's, and the [Topics] that it wants.
// What happens is written down for each webhook that wants it, in the
// transaction that handles the event: a delivery is never forgotten, and
// never written twice. It carries the order or product as the API would give
// it at that moment.
//
// Deliveries of one topic go to one webhook one after the other, in the order
// of the shop's clock; topics and webhooks do not wait for one another. A
// delivery that is not taken is tried again, after seconds at first and hours
// later, and those behind it wait. It is signed as Standard Webhooks says
// (https://www.standardwebhooks.com), and its id stays the same however often
// it is sent: a receiver that keeps the ids it has seen acts on each once.
//
// A webhook that has taken nothing for [GiveUp] is turned off and its
// merchant is told; one that answers 410 Gone is turned off at once. What had
// not been delivered waits until the webhook is turned on again. Delivered
// ones are kept for [Kept], to be looked at and sent again.
//
// A shop without webhooks pays nothing: which topics are wanted stands in the
// settings document, which is read anyway.
package hook
