package hook

import "time"

// At has the sender go by another clock.
func (s *Sender) At(now func() time.Time) { s.now = now }
