// Package cache keeps what was read from shops, and knows when it no longer
// holds.
//
// An entry carries the [db.Mark] of the snapshot that it was read in, and
// tags that name what it depends on, such as "product:<id>". A commit that
// emits an event with a tag raises the tag's floor to the commit's mark, and
// an entry holds while its mark is at or above the floor of each of its tags.
// Nothing is searched for and removed: an entry that no longer holds is found
// out when it is asked for, and stays to be served, marked stale, when there
// is nothing better. A fill that read before a change can be late without
// harm, since the floor is there already. Orders and carts emit no tags, so
// they spoil nothing.
//
// [Cache.Fetch] runs one fill for a key however many ask. Whoever asks after
// a write was acknowledged sees at least that write, also when they join a
// fill that was under way before. [Cache.FetchAfter] is for who brings the mark
// of a write that this process may not have heard of.
//
// Floors are kept for shops that have entries or fills under way, and for no
// others: memory follows what is cached, not how many shops there are.
package cache
