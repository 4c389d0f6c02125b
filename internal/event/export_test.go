package event

// Outlets sets how many shops' news is at hand at once. It is for tests.
func (b *Bus) Outlets(most int) { b.most = most }

// Unfence has deliverers write whatever turn it is, until undo.
func Unfence() (undo func()) {
	fenced = false
	return func() { fenced = true }
}
