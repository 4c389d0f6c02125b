// Package media keeps a shop's pictures: it takes what a phone sends and
// gives small WebP files that can be cached for ever.
//
// [Process] is the pure part: it looks at the bytes (never at a file's name),
// refuses what is too large or of a kind we do not read before decoding it,
// turns the picture upright, drops every bit of metadata by encoding anew, and
// makes one rendition for each of the widths that [Widths] names.
//
// [Library] does that for shops: [Library.Add] keeps the renditions in a
// [Store] under the hash of the uploaded bytes, so that the same bytes are
// worked on once, and [Library.Open] gives a rendition back. A store is a
// folder of one machine ([Disk]) or a bucket that all processes share
// (media/bucket, with a [Near] in front). Few pictures are
// worked on at a time and few bytes may wait: a flood of uploads is told to
// come back later instead of taking the machine.
//
// A library may also have pictures that nobody uploaded, to be drawn when
// somebody looks at a shop that has them: see [Drawing].
//
// A picture's address is /media/<shop>/<hash>-<width>.webp: see [URL],
// [SrcSet] and [ParseURL]. What stands at an address never changes.
//
// Which pictures a shop has is also a row (see [Save] and [Get]), so that a
// page can be made without touching the files.
//
// The package serves no HTTP and calls nobody; a bucket is media/bucket,
// fetching pictures from other hosts is media/fetch, and drawn pictures are
// media/draw.
package media
