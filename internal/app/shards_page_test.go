package app

import (
	"net/url"
	"strings"
	"testing"
)

// The operator sees how a shard is, and who asks most of it.
func TestTheShardsPage(t *testing.T) {
	s := open(t, nil)
	x := s.shop("Hot")
	s.get(x.host+"/products/"+x.has["product handle"], "").want(200)
	operator := cookieOf(s.post("ops.test/signin", "", url.Values{"token": {s.opsToken}}), "haat_operator")
	page := s.send(call{method: "GET", url: "ops.test/shards"}.with("Cookie", operator)).want(200).body
	for _, want := range []string{"<strong class=\"grow\">s1</strong>", "SQLite", "places taken", `href="/shops/` + x.slug + `"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s: %s", want, page)
		}
	}
}
