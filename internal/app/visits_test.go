package app

import "testing"

// A visit that a shopper's browser tells of is in the figures of that shop, and
// of no other, within moments; one from another site is refused.
func TestAVisitIsSeen(t *testing.T) {
	s := open(t, nil)
	mine, other := s.shop("Aalto"), s.shop("Basho")
	visits := func(x *tenant) any { return s.get(x.base+"/insight/today", x.token).want(200).at("visits") }
	for range 3 {
		s.send(call{method: "POST", url: mine.host + "/visit"}.with("Origin", "http://"+mine.host, "Sec-Fetch-Site", "same-origin")).want(204)
	}
	s.send(call{method: "POST", url: mine.host + "/visit"}.with("Origin", "http://elsewhere.example", "Sec-Fetch-Site", "cross-site")).want(403)
	s.send(call{method: "POST", url: "nobody." + domain + "/visit"}).want(404)
	s.until("the visits are seen", func() bool { return visits(mine) == 3.0 })
	if n := visits(other); n != 0.0 {
		t.Errorf("the other shop has %v", n)
	}
	days := s.get(mine.base+"/insight/days?days=2", mine.token).want(200)
	if n := days.at("items", 1, "visits"); n != 3.0 {
		t.Errorf("by day: %v", n)
	}
}
