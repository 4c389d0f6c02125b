package fleet

// SetPage makes what is looked at in one go so many shops.
func (f *Fleet) SetPage(n int) { f.page = n }

// TakeAnyPrimary has a server that was promoted be the primary whatever it lacks.
func (f *Fleet) TakeAnyPrimary() { f.anyPrimary = true }
