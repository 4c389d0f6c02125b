package app

import "testing"

// Hosts of one's own network are named with their addresses, or refused.
func TestWebhookInside(t *testing.T) {
	for text, want := range map[string]int{"": 0, "erp.example.com=10.0.0.5": 1, " ERP.example.com = 10.0.0.5 , b.example.com=fd00::1,": 2, "erp=10.0.0.5": -1, "erp.example.com": -1, "erp.example.com=inside": -1} {
		c := Config{WebhookInside: text}
		inside, err := c.inside()
		if (err != nil) != (want < 0) || err == nil && len(inside) != want {
			t.Errorf("%q: %v, %v", text, inside, err)
		}
		if want > 0 && !inside["erp.example.com"].IsValid() {
			t.Errorf("%q: %v", text, inside)
		}
	}
}
