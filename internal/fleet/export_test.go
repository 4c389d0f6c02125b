package fleet

// SetPage makes what is looked at in one go so many shops.
func (f *Fleet) SetPage(n int) { f.page = n }
