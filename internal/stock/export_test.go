package stock

// InParts has Audit take a snapshot for every n entries of a ledger, and gives
// what puts that back.
func InParts(n int64) (undo func()) {
	was := part
	part = n
	return func() { part = was }
}
