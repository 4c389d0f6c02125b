package app

import (
	"testing"

	"haat/internal/shop"
)

func TestThePlatformsMailsHaveASenderAndASubject(t *testing.T) {
	for from, want := range map[string]string{"haat@localhost": "haat", "Bazaar of Pune <post@bazaar.test>": "Bazaar of Pune"} {
		m := platformMail(shop.Message{To: "a@b.test", Channel: "email", Code: "123456", Subject: "Your sign-in code at bazaar.test", Text: "123456 is your code."}, from)
		if m.From != want || m.Subject != "Your sign-in code at bazaar.test" || m.Code != "123456" || m.To != "a@b.test" {
			t.Errorf("from %q: %+v", from, m)
		}
	}
}
