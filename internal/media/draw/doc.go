// Package draw makes the pictures of made-up shops: things for the home, drawn
// by us as vectors in a few palettes, so that a fresh platform has a shop to
// look at and nobody's photographs are in it.
//
// [Product] draws one thing on its backdrop, [Detail] the same from nearby,
// [Pair] two things as they stand at home and [Shelf] a row of several. A
// [Recipe] names such a picture, so that it can be drawn when it is wanted.
// All are deterministic: the same arguments give the same pixels, and so the
// same content address. Coordinates inside are those of a square of 100 with
// the table at y = 80 and the light from the upper left.
package draw
