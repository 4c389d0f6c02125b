// Package storefront draws what shoppers see: a shop's pages, from the home
// page to the status of an order.
//
// Each page is a plain struct in view.go (browsing) or view_buy.go (cart,
// checkout, order) with a Draw method; a handler fills the struct and renders
// it. The structs say all there is to say, in words and formatted parts of
// this package and of design: the templates know no domain types, ask for
// nothing and decide nothing beyond how things look.
//
// Pages without a shopper's own data (all but cart, checkout and order) are
// the same for everybody, so that they may be cached: the number in the cart
// comes from the cookie [CartCountCookie], read by the script. Nothing needs
// that script; see storefront.js for what it adds.
//
// Names of form fields are the Field… constants; addresses are in paths.go.
package storefront
