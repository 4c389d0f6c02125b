// Package design is the look of haat: tokens, base components, icons, charts
// and the delivery of stylesheets and scripts.
//
// Everything people see is made of the CSS in css/ (class names are listed at
// the top of css/base.css) and of the templ components here, which know the
// classes so that pages do not have to. Nothing here knows what a product or
// an order is.
//
// Pages run under a content security policy without inline styles or
// scripts, so:
//   - a page links stylesheets and modules by the addresses of an [Assets],
//     which carry the hash of their content and may be cached for ever;
//   - a shop's colours and type arrive as a stylesheet of their own, made by
//     [ThemeCSS], which moves any unreadable colour to a readable one;
//   - charts are SVG drawn by the server with presentation attributes.
//
// Everything works without JavaScript, in light and dark, from 320 px up, in
// right-to-left scripts, with a keyboard and on paper.
package design
