package console

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

// go test ./internal/web/console -run Gallery -gallery DIR writes every page
// with its stylesheet, to be served from DIR and looked at.
var galleryDir = flag.String("gallery", "", "write every page as a file below this folder")

var (
	inline   = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+="|<script`)
	someID   = regexp.MustCompile(`\sid="([^"]*)"`)
	postForm = regexp.MustCompile(`(?is)<form[^>]*method="post".*?</form>`)
)

func TestGallery(t *testing.T) {
	for name, page := range gallery() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := page.Render(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			html := b.String()
			if m := inline.FindString(html); m != "" {
				t.Errorf("inline style or script, which the content security policy forbids: %q", m)
			}
			seen := map[string]bool{}
			for _, m := range someID.FindAllStringSubmatch(html, -1) {
				if seen[m[1]] {
					t.Errorf("id %q occurs twice", m[1])
				}
				seen[m[1]] = true
			}
			for _, form := range postForm.FindAllString(html, -1) {
				if !strings.Contains(form, `name="csrf"`) {
					t.Errorf("a form posts without csrf: %.120s", form)
				}
			}
			if n := strings.Count(html, "<h1"); n != 1 {
				t.Errorf("%d h1 headings", n)
			}
			save(t, "console-"+name+".html", b.Bytes())
		})
	}
	f, _ := Files.File(Files.URL("console.css"))
	save(t, strings.TrimPrefix(f.Path, "/"), f.Body)
}

func TestAlarmSaysWhatToDo(t *testing.T) {
	var b bytes.Buffer
	if err := overview("bad").Page().Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	verdict, next := strings.Index(b.String(), "41 shops cannot take orders"), strings.Index(b.String(), "haat doctor")
	if verdict < 0 || next < verdict {
		t.Errorf("the page must say who is hurt (at %d), then the next step (at %d)", verdict, next)
	}
}

func save(t *testing.T, name string, body []byte) {
	t.Helper()
	if *galleryDir == "" {
		return
	}
	path := filepath.Join(*galleryDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

var night = time.Date(2026, 11, 24, 3, 7, 12, 0, time.UTC)

func frame(section, head string) Frame {
	return Frame{Title: head, Section: section, CSRF: "token", Now: night, Version: "0.1.0", Node: "node-1"}
}

func parked() []ParkedKey {
	return []ParkedKey{{ID: "1", Shop: "meeras-pottery", ShopURL: "/shops/meeras-pottery", Consumer: "notify.order-placed", Topic: "order.placed", Key: "0197a2b4-7c1e-7d3a-9f00-1b2c3d4e5f60", Problem: "dial tcp 192.0.2.10:587: connect: connection refused", Tries: 8, Behind: 3, Since: night.Add(-41 * time.Minute)}}
}

func overview(state string) Overview {
	v := Overview{
		Frame: frame("overview", "Overview"), State: state, Verdict: "Everything is well", Started: night.Add(-9 * 24 * time.Hour),
		Numbers: []Number{
			{Label: "Requests", Value: "312/s", More: "usual at this hour"}, {Label: "Errors", Value: "0.00 %", More: "budget 99 % left"},
			{Label: "Orders, last hour", Value: "418", More: "402 last Tuesday"}, {Label: "Memory", Value: "214 MB", More: "of 2 GB"},
		},
		Traffic: Traffic{Summary: "About 18,000 requests a minute, no errors", P50: "1.2 ms", P99: "14 ms", Format: func(v float64) string { return fmt.Sprintf("%.0f", v) }},
		Shards: []Shard{
			{Name: "s1", Engine: "SQLite", Where: "data/shards/s1.db", Shops: "1,204", Size: "1.2 GB", Writes: "38/s", Lag: "2 ms", Queue: "0", State: "good"},
			{Name: "s2", Engine: "SQLite", Where: "data/shards/s2.db", Shops: "41", Size: "18.4 GB", Writes: "0/s", Lag: "1 ms", Queue: "0", State: "good"},
		},
		Events: Events{Backlog: "0", Consumers: []Consumer{{"search.index", "0", "41/s", "good"}, {"insight.sales", "0", "38/s", "good"}, {"notify.order-placed", "0", "7/s", "good"}}},
	}
	for m := range 60 {
		v.Traffic.Labels = append(v.Traffic.Labels, night.Add(time.Duration(m-59)*time.Minute).Format("15:04"))
		v.Traffic.Requests = append(v.Traffic.Requests, 18000+2500*math.Sin(float64(m)*0.3))
		errors := 0.0
		if state == "bad" && m > 46 {
			errors = 900 + float64(m*20)
		}
		v.Traffic.Errors = append(v.Traffic.Errors, errors)
	}
	if state == "bad" {
		v.Verdict, v.Since, v.Frame.Alarms = "41 shops cannot take orders", night.Add(-13*time.Minute), 2
		v.Alarms = []Alarm{
			{Kind: "bad", Title: "Shard s2 refuses writes", People: "41 shops cannot take orders; reading works", Text: "The disk that holds data/shards/s2.db is full: 0 bytes free of 20 GB. The last write was at 02:54.", Next: "Free space on that disk, or move the largest shop away. Then run haat doctor.", Since: night.Add(-13 * time.Minute), URL: "#shards-card"},
			{Kind: "warn", Title: "1 key is parked", Text: "notify.order-placed failed eight times: the mail server does not answer.", Next: "Check the SMTP settings, then try it again.", Since: night.Add(-41 * time.Minute), URL: "/parked"},
		}
		v.Numbers[1] = Number{Label: "Errors", Value: "6.31 %", More: "budget gone in 3 h", State: "bad"}
		v.Shards[1].State, v.Shards[1].Lag, v.Shards[1].Queue, v.Shards[1].Note = "bad", "13 min", "212", "Disk full"
		v.Events = Events{Backlog: "1,248", Oldest: "13 min", Parked: 1, ParkedURL: "/parked", Consumers: []Consumer{{"search.index", "1,240", "0/s", "warn"}, {"insight.sales", "0", "38/s", "good"}, {"notify.order-placed", "8", "0/s", "bad"}}}
		v.Parked = parked()
	}
	return v
}

func shopRows(n int) []ShopRow {
	names := []string{"Meera's Pottery", "लक्ष्मी साड़ी भंडार", "Shree Balaji Traditional Handicrafts, Pottery and Home Furnishings Emporium (Since 1947)", "Kabir Books", "A"}
	rows := make([]ShopRow, n)
	for i := range rows {
		slug := fmt.Sprintf("shop-with-a-rather-long-address-%d", i)
		rows[i] = ShopRow{URL: "/shops/" + slug, Name: names[i%5], Slug: slug, ShopURL: "http://" + slug + ".localhost:8080", Shard: "s1", Size: fmt.Sprintf("%d MB", 4+i*13%400), Today: fmt.Sprint(i * 7 % 41), Week: fmt.Sprint(i * 53 % 900), Active: night.Add(-time.Duration(i*i) * time.Minute), Suspended: i%9 == 4, Trend: []float64{3, 5, 2, 8, 9, float64(i % 12), 7}}
	}
	return rows
}

func gallery() map[string]templ.Component {
	shop := Shop{
		Frame: frame("shops", "Shop"), Row: shopRows(3)[2], ID: "1042", Owner: "+91 98765 43210", Created: night.AddDate(-1, 0, 0), Country: "India", Currency: "INR",
		Numbers: []Number{{Label: "Orders today", Value: "14"}, {Label: "7 days", Value: "106"}, {Label: "Products", Value: "1,204"}, {Label: "Size", Value: "30 MB", More: "files 212 MB"}},
		Facts:   []Fact{{"Shard", "s1"}, {"Clock", "epoch 1, 20,418"}}, Parked: parked(),
		Log: []LogEntry{{At: night.Add(-50 * time.Hour), By: "operator", Text: "Opened it again"}},
	}
	closed := shop
	closed.Row.Suspended, closed.Reason, closed.SuspendedAt, closed.Parked = true, "Sells what it may not", night.Add(-3*time.Hour), nil
	return map[string]templ.Component{
		"signin":       SignIn{Now: night, CSRF: "token", Problem: "That is not the token"}.Page(),
		"overview":     overview("good").Page(),
		"overview-bad": overview("bad").Page(),
		"shops":        Shops{Frame: frame("shops", "Shops"), Total: "5,012", Rows: shopRows(50), Next: "#", First: "#"}.Page(),
		"shops-none":   Shops{Frame: frame("shops", "Shops"), Query: "zzz"}.Page(),
		"shop":         shop.Page(),
		"shop-closed":  closed.Page(),
		"parked":       Parked{Frame: frame("parked", "Parked"), Rows: parked()}.Page(),
		"parked-none":  Parked{Frame: frame("parked", "Parked")}.Page(),
		"failure":      Failure{Now: night, Status: 500, Heading: "That went wrong", Text: "The shard did not answer in time.", RequestID: "01JD8Y"}.Page(),
	}
}
