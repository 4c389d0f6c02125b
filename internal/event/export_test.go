package event

// Outlets sets how many shops' news is at hand at once. It is for tests.
func (b *Bus) Outlets(most int) { b.most = most }
