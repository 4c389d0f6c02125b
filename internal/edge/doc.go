// Package edge serves finished pages: rendered once, compressed once, and
// sent until a change spoils them.
//
// [Pages] stands between the storefront's handlers and the network. A handler
// gives a [Page] with the mark it was read at and the tags it depends on;
// package cache decides how long it stands. Pages are the same for everybody:
// whoever is asked for one must not look at cookies.
//
// [Front] is a listener that answers requests for kept pages itself, before
// net/http has seen them, and hands every other connection on.
//
// [Certificate] is what the platform shows over TLS.
package edge
