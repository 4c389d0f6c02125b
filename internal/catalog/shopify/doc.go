// Package shopify reads and writes Shopify's product CSV: rows to drafts and
// drafts to rows. It is pure: no database, no network, no clock.
//
// Reader streams. It takes both generations of the format (Legacy and Current
// list their headers), matched without regard to case and in any order; text in
// UTF-8, UTF-16 or Windows-1252; commas, semicolons or tabs. Only one product is
// in memory at a time, besides some twenty bytes per product to know a handle
// when it comes again.
//
// The choices a caller should know:
//
//   - Presence. A column that is absent leaves its Opt unset: leave the value
//     alone. A column that is there but blank sets the Opt to the blank value:
//     overwrite. Blank means: text "", numbers 0 (compare-at and cost 0: none),
//     not a gift card, not tracked, stop selling at zero, needs shipping, taxed,
//     published, active. A blank price is reported and leaves Price unset. A row
//     that ends before a column leaves it unset.
//   - Rows with one handle that follow each other are one product. When the
//     handle comes back further down, those rows are a second Draft with
//     Continued set, which has variants and images only: merge them into the
//     product, adding a variant whose option values it has not yet and
//     overwriting one that it has. Duplicates are found within one Draft.
//   - The first row speaks for the product; on later rows a differing title,
//     vendor and so on is ignored and reported.
//   - A bad row is reported and skipped, the others go on. When a product's
//     first row is bad, the whole product is skipped, since its options and
//     title cannot be trusted; its later rows are still checked.
//   - A row carries a variant if it has an option value or a price. Otherwise
//     it is an image row if it has an image URL; a first row with neither but
//     with a SKU, barcode, cost, quantity or weight is a variant whose
//     price is missing.
//   - Where the file says nothing of a product's options (the columns are
//     absent, or blank on its first row), several rows may each name a variant
//     by its SKU: Variants without Options, which a caller finds by SKU.
//   - Columns we have no field for (Google Shopping, metafields, unit prices,
//     anything) are in Extra under their header, or under the Current name of
//     that header where there is one. Blank values are left out: those of its
//     Columns that an Extra lacks are to be cleared.
//   - Resuming: reading the same bytes gives the same Ordinals, so read again
//     from the start and pass over those already done.
//
// Writer writes the Current generation. What Reader gives, Writer writes so
// that Reader gives it again, except that CRLF inside a value becomes LF and an
// unset Opt is written blank. Values are written raw, as Shopify does: a
// spreadsheet may take a value beginning with "=" for a formula.
package shopify
