// Package console is what the operator sees, on a phone at three in the
// morning: whether people are hurt, where, since when, and what to do.
//
// It is served only on the operations listener, behind the operator's token.
// Pages are templ components over the plain structs of view.go; the overview
// answers on its first screen and every warning says the next step and leads
// to the page that shows it. Nothing here needs JavaScript: the overview
// reloads itself by a header the handler sends (Refresh: 15).
package console
