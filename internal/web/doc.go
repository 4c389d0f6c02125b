// Package web is what all pages stand on: signed cookies, the headers that
// keep a browser safe, rendering, and one place where errors become pages.
//
// A page is an ordinary handler that returns an error ([Handler]). Forms need
// no token: a request that changes something is refused when the browser says
// that it comes from elsewhere (http.CrossOriginProtection), so pages stay
// the same for everyone and can be cached. The surfaces are in storefront,
// dashboard and console, which share design.
package web
