package dashboard

import (
	"strings"
	"testing"
)

// A merchant reads, tries, changes and resets what a notice says; what is wrong
// stands beside its field, with what was typed.
func TestMessageTexts(t *testing.T) {
	onPlatform(t, func(t *testing.T, p *platform) {
		b, _ := p.merchant(t, "a@haat.test", "Mine")
		at := "/shops/mine/settings/messages"
		one := at + "?kind=placed&language=en"
		form := func(long, do string) func(string, ...string) bool {
			got := b.post(at, "kind", "placed", "language", "en", "subject", "Hi {{.Name}}", "long", long, "short", "We have {{.Number}}", "do", do)
			return func(what string, says ...string) bool {
				t.Helper()
				for _, s := range says {
					if !strings.Contains(got.body, s) {
						t.Errorf("%s: %d without %q", what, got.StatusCode, s)
					}
				}
				return true
			}
		}
		if page := b.get(at).status(200).body; !strings.Contains(page, "हिन्दी") || !strings.Contains(page, "we have your order 1001") || strings.Contains(page, "Yours") {
			t.Errorf("the list: %s", page)
		}
		if page := b.get(one).status(200).body; !strings.Contains(page, "{{.Number}} at {{.Shop}}") || !strings.Contains(page, "3 × Masala Chai") || strings.Contains(page, "Use our text") {
			t.Errorf("the form: %s", page)
		}
		form("<b>{{.Total}}</b> tried", "try")("a preview", "&lt;b&gt;₹1,248&lt;/b&gt; tried", "Hi Asha", "We have 1001")
		if page := b.get(one).status(200).body; strings.Contains(page, "tried") {
			t.Error("a preview was saved")
		}
		form("one\n{{.Password}}", "save")("a bad text", "line 2: there is no .Password", "{{.Password}}")
		form("Ours is {{.Total}}", "save")
		if page := b.get(at).status(200).body; !strings.Contains(page, "Yours") || !strings.Contains(page, "We have 1001") {
			t.Errorf("saved: %s", page)
		}
		if page := b.get(one).status(200).body; !strings.Contains(page, "Ours is ₹1,248") || !strings.Contains(page, "Use our text") {
			t.Errorf("the form of one's own: %s", page)
		}
		form("", "reset")
		if page := b.get(at).status(200).body; strings.Contains(page, "Yours") {
			t.Error("it was not reset")
		}
	})
}
