// Package move carries a shop from one shard to another while it is served,
// between SQLite and PostgreSQL as well, and loses no write.
//
// A move is a row of the control database that goes through phases; every one
// can be gone on with by another process after a crash. First all rows are
// copied in pieces. Between pieces, what was written meanwhile is read again
// where it stands and written over; triggers have noted which rows those are.
// Then every row is compared. Then the shop is closed to writes (the fence: its
// clock says 'moving', which every write looks at last), what is left is
// carried over, and one transaction of the control database decides whether the
// shop has moved, and says so in the directory. Only after that is it opened,
// there or here again, at an epoch that was never used. Reads are never
// stopped. What takes longer than the budget is given up and tried again later.
//
// For a day the old copy is kept as it would be, and the shop can be moved back
// to it without copying.
package move
