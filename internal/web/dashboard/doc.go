// Package dashboard is what a merchant sees: the dashboard of a shop at
// /shops/<slug>, and the platform's own public pages (landing, sign-up and
// sign-in, recovery, the list of one's shops, the API's documentation).
//
// A page is a templ component over one plain struct, declared in the view*.go
// files: money and counts arrive as words, times as time.Time, addresses
// complete. Templates decide nothing but looks, and import nothing of the
// domain. Every page works without JavaScript; the modules in js/ add live
// numbers, uploads with progress, a spreadsheet's manners in bulk editing,
// and copying. There is no inline script or style, so the content security
// policy can forbid both.
//
// A form posts to its own page and carries the hidden field "csrf". On
// refusal the handler renders the same view again with what was typed and
// with [Problems] keyed by field name; on success it redirects, and says what
// was done in the next page's [Flash], which may offer to undo it.
package dashboard
