package console

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"haat/internal/api"
	"haat/internal/event"
	"haat/internal/fleet"
	"haat/internal/meter"
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
	return Frame{Title: head, Section: section, CSRF: "token", Now: night, Version: "0.1.0"}
}

func parked() []ParkedKey {
	return []ParkedKey{{ID: "1", Shop: "meeras-pottery", ShopURL: "/shops/meeras-pottery", Consumer: "notify.order-placed", Topic: "order.placed", Key: "0197a2b4-7c1e-7d3a-9f00-1b2c3d4e5f60", Problem: "dial tcp 192.0.2.10:587: connect: connection refused", Behind: 3, Since: night.Add(-41 * time.Minute)}}
}

// manyParked are those of a bad deploy, some of them with absurd names.
func manyParked() []ParkedKey {
	var out []ParkedKey
	for i := range keysAPage {
		k := parked()[0]
		k.ID, k.Behind, k.Since = fmt.Sprint(i), int64(i*i*7), night.Add(-time.Duration(i*i)*time.Minute)
		if i%3 == 1 {
			k.Shop, k.Consumer, k.Key = "shree-balaji-traditional-handicrafts-pottery-and-home-furnishings-emporium", "a-subscriber-whose-name-somebody-has-thought-about-for-far-too-long", strings.Repeat("लक्ष्मी साड़ी ", 8)+strings.Repeat("x", 180)
			k.Problem = "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 4711 [running]:\nhaat/internal/notify.(*Outbox).placed(0xc000123456, {0x1, 0x2})\n" + strings.Repeat("a-word-without-any-place-to-break-it", 12)
		}
		out = append(out, k)
	}
	return out
}

func parkedEvents() ParkedEvents {
	v := ParkedEvents{Frame: frame("parked", "Parked events"), Row: parked()[0], More: "1,204"}
	for i := range 4 {
		said := pretty([]byte(fmt.Sprintf(`{"order":{"id":"01jngz69p0e0grv6t2q0t8mg1m","number":%d,"total":{"minor":124800,"currency":"INR"}},"lines":[{"title":"हस्तनिर्मित फूलदान","sku":"%s","quantity":2}]}`, 1004+i, strings.Repeat("VASE-", 10*i+1))))
		v.Events = append(v.Events, ParkedEvent{Seq: fmt.Sprint(20418 + 3*i), Event: "01jngz69p0e0grv6t2q0t8mg1m", Payload: said, At: night.Add(time.Duration(i-90) * time.Minute), Open: i == 0, Rows: rowsOf(said)})
	}
	return v
}

func settledEvents() Settled {
	v := Settled{Frame: frame("parked", "Settled events")}
	for i, how := range []string{"replayed", "dropped", "edited", "replayed"} {
		k := manyParked()[i]
		e := settledRow(new(fleet.Room), event.Settled{How: how, At: night.Add(-time.Duration(i*i*i) * time.Hour), Subscriber: k.Consumer, Key: k.Key, Seq: 20418, Topic: k.Topic, Payload: []byte(`{"order":"01jngz69p0e0grv6t2q0t8mg1m","number":1004}`), Error: k.Problem})
		e.Shop = k.Shop
		v.Rows = append(v.Rows, e)
	}
	return v
}

func overview(state string) Overview {
	v := Overview{
		Frame: frame("overview", "Overview"), State: state, Verdict: "Everything is well.", Started: night.Add(-9 * 24 * time.Hour),
		Numbers: []Number{{Label: "Shops", Value: "1,245", URL: "/shops"}, {Label: "Parked events", Value: "0", URL: "/parked"}},
		Checks:  []Check{{"control database", "1,245 shops in the directory"}, {"shard s1", "SQLite answers in 120µs"}, {"disk", "214 GiB free"}},
		Events:  Events{Busy: "0"},
	}
	if state == "bad" {
		v.Verdict, v.Frame.Alarms = "2 incidents open.", 2
		v.Alarms = []Alarm{
			{Kind: "bad", Title: "shard s2", Text: "41 shops cannot take orders: the disk that holds data/shards/s2.db is full, 0 bytes free of 20 GB.", Next: "Free space on that disk, or move the largest shop away. Then run haat doctor.", URL: "#checks-card"},
			{Kind: "bad", Title: "parked events", Text: "1 event of 1 shop is parked", Next: "look at it", URL: "/parked"},
		}
		v.Numbers[1] = Number{Label: "Parked events", Value: "1", State: "bad", URL: "/parked"}
		v.Events = Events{Busy: "1,248", Parked: 1, ParkedURL: "/parked", Consumers: []Consumer{{"notify.email", "dial tcp 192.0.2.10:587: connect: connection refused", "warn"}}}
		v.Parked = parked()
	}
	return v
}

// register is that of a bad night after a fair week.
func register(now time.Time) api.Incidents {
	past := func(name, subject, detail string, s meter.Severity, since, took time.Duration, times int64) meter.Incident {
		ended := now.Add(-since + took)
		return meter.Incident{Name: name, Subject: subject, Severity: s, Detail: detail, Since: now.Add(-since), Resolved: &ended, Times: times}
	}
	return api.Incidents{
		Open: []meter.Incident{
			{Name: "disk-full", Subject: "/var/lib/haat", Severity: meter.Critical, Means: "The last write found no room: writes are refused, pages go on, and nothing acknowledged is lost.",
				Detail: "The last write found the disk of /var/lib/haat full; 0 MiB are free now.", Next: "Make room on the disk of the data folder; writes go on by themselves.", Since: now.Add(-97 * time.Minute), Times: 2},
			{Name: "database-unreachable", Subject: "shard s2", Severity: meter.Critical, Means: "A database does not answer: nobody can order in its shops, and only kept pages are shown.",
				Detail: "context deadline exceeded", Next: "Look in the log at what it answers; restart haat, and if it stays, restore from a backup.", Since: now.Add(-40 * time.Second), Times: 1},
			{Name: "consumer-stalled", Subject: "notify.email", Severity: meter.Warning, Means: "A subscriber cannot go on with events, which wait in order; nothing is lost.",
				Detail: "Events of 312 shops wait: dial tcp 192.0.2.10:587: connect: connection refused", Next: "Bring back what it waits for; it goes on by itself.", Since: now.Add(-26 * time.Hour), Times: 1},
		},
		Past: []meter.Incident{
			past("consumer-stalled", "notify.sms", "Events of 3 shops wait: no route to host", meter.Warning, 5*time.Hour, 41*time.Minute, 3),
			past("stock-discrepancy", "meeras-pottery", "1 SKU does not add up: VASE-9 <b>Vase</b> (39 entered, but 41 stand)", meter.Critical, 44*time.Hour, 7*time.Hour, 1),
			past("backup-failing", "backup", "Into /mnt/backups: no space left on device", meter.Critical, 78*time.Hour, 23*time.Hour+11*time.Minute, 1),
			past("disk-nearly-full", "/var/lib/haat", "Only 812 MiB are free in /var/lib/haat.", meter.Warning, 130*time.Hour, 20*time.Second, 1),
		},
	}
}

func shopRows(n int) []ShopRow {
	names := []string{"Meera's Pottery", "लक्ष्मी साड़ी भंडार", "Shree Balaji Traditional Handicrafts, Pottery and Home Furnishings Emporium (Since 1947)", "Kabir Books", "A"}
	rows := make([]ShopRow, n)
	for i := range rows {
		slug := fmt.Sprintf("shop-with-a-rather-long-address-%d", i)
		rows[i] = ShopRow{URL: "/shops/" + slug, Name: names[i%5], Slug: slug, ShopURL: "http://" + slug + ".localhost:8080", Shard: "s1", Products: fmt.Sprint(4 + i*13%400), Today: fmt.Sprint(i * 7 % 41), Week: fmt.Sprint(i * 53 % 900), Active: night.Add(-time.Duration(i*i) * time.Minute), Suspended: i%9 == 4}
	}
	return rows
}

// processes are those of a fleet in the middle of an upgrade.
func processes() []fleet.Process {
	at := func(hours int) time.Time { return night.Add(-time.Duration(hours) * time.Hour) }
	return []fleet.Process{
		{ID: "a", Host: "app-1.shops.example", Address: "10.0.0.11:8080", Version: "0.1.0", Roles: "web,api,worker,relay", State: fleet.Serving, Since: at(200), Seen: night, Leases: []string{"events of s1", "events of s2", "tidying"}},
		{ID: "b", Host: "app-2.shops.example", Address: "10.0.0.12:8080", Version: "0.1.0", Roles: "web,api", State: fleet.Serving, Since: at(199), Seen: night},
		{ID: "c", Host: "a-machine-with-quite-a-long-name-in-another-building.internal.shops.example", Version: "0.1.1", Roles: "web,api,worker,relay", State: fleet.Draining, Since: at(2), Seen: night, Leases: []string{"stock"}},
		{ID: "d", Host: "app-4.shops.example", Version: "0.1.0", Roles: "relay", State: fleet.Serving, Since: at(30), Seen: night.Add(-4 * time.Minute), Lost: true},
	}
}

func gallery() map[string]templ.Component {
	shop := Shop{
		Frame: frame("shops", "Shop"), Row: shopRows(3)[2], ID: "1042", Created: night.AddDate(-1, 0, 0),
		Numbers: []Number{{Label: "Orders today", Value: "14"}, {Label: "7 days", Value: "106"}, {Label: "Products", Value: "1,204"}, {Label: "Size", Value: "30 MB", More: "files 212 MB"}},
		Facts:   []Fact{{"Shard", "s1"}, {"Clock", "epoch 1, 20,418"}}, Parked: parked(),
		Alarms: []Alarm{{Kind: "bad", Title: "Stock of VASE-9 Handmade Indigo Vase, large", Text: "39 entered, but 41 available + 0 held + 0 sold = 41", Next: "Count it by hand before more of it is sold. How it came about: haat check --shop meeras-pottery --explain 01jngz69p0e0grv6t2q0t8mg1m"}},
	}
	closed := shop
	closed.Row.Suspended, closed.Parked, closed.Alarms = true, nil, nil
	drop, bad, long := parkedEvents(), parkedEvents(), parkedEvents()
	drop.Asks = true
	bad.Events[0].Open, bad.Events[1].Open = false, true
	bad.Events[1].Payload, bad.Events[1].Problem = "{\n  \"order\": \n}", "This is not JSON: line 3, invalid character '}' looking for beginning of value. Nothing was changed."
	long.Row, long.Failed = manyParked()[1], "It failed again: "+manyParked()[1].Problem+". Handled before that: 2 events."
	return map[string]templ.Component{
		"signin":         SignIn{Now: night, CSRF: "token", Problem: "That is not the token"}.Page(),
		"overview":       overview("good").Page(),
		"overview-bad":   overview("bad").Page(),
		"incidents":      incidentsPage(frame("incidents", "Incidents"), register(night)).Page(),
		"incidents-past": incidentsPage(frame("incidents", "Incidents"), api.Incidents{Past: register(night).Past}).Page(),
		"incidents-none": incidentsPage(frame("incidents", "Incidents"), api.Incidents{}).Page(),
		"shops":          Shops{Frame: frame("shops", "Shops"), Total: "5,012", Rows: shopRows(50), Next: "#", First: "#"}.Page(),
		"shops-none":     Shops{Frame: frame("shops", "Shops"), Query: "zzz"}.Page(),
		"shop":           shop.Page(),
		"shop-closed":    closed.Page(),
		"parked":         Parked{Frame: frame("parked", "Parked"), Rows: parked(), Events: "4", Shops: "1 shop"}.Page(),
		"parked-many":    Parked{Frame: frame("parked", "Parked"), Rows: manyParked(), Events: "284,119", Shops: "1,245 shops", Next: "#", First: "#"}.Page(),
		"parked-end":     Parked{Frame: frame("parked", "Parked"), Events: "4", Shops: "1 shop", First: "#"}.Page(),
		"parked-key":     parkedEvents().Page(),
		"parked-bad":     bad.Page(),
		"parked-long":    long.Page(),
		"parked-drop":    drop.Page(),
		"settled":        settledEvents().Page(),
		"settled-none":   Settled{Frame: frame("parked", "Settled")}.Page(),
		"parked-none":    Parked{Frame: frame("parked", "Parked")}.Page(),
		"processes":      processesPage(frame("processes", "Processes"), processes(), "a").Page(),
		"partitions":     behind().Page(),
		"partitions-off": shardsBehind(frame("processes", "Partitions"), []event.Behind{{Place: "s1"}, {Place: "s2", Shops: 3, Oldest: night.Add(-12 * time.Second)}}, []event.Moment{{At: night.Add(-5 * time.Second)}, {At: night}}, nil).Page(),
		"processes-none": processesPage(frame("processes", "Processes"), nil, "a").Page(),
		"shards":         shardsPage(frame("shards", "Shards"), shards()).Page(),
		"shards-none":    shardsPage(frame("shards", "Shards"), nil).Page(),
		"moves":          movesPage(frame("moves", "Moves"), moving(night)).Page(),
		"moves-none":     movesPage(frame("moves", "Moves"), api.MoveList{}).Page(),
		"failure":        Failure{Now: night, Status: 500, Heading: "That went wrong", Text: "The shard did not answer in time.", RequestID: "01JD8Y"}.Page(),
	}
}

// moving is a night of moves: one for each phase that is shown.
func moving(now time.Time) api.MoveList {
	at := func(d time.Duration) *time.Time { t := now.Add(d); return &t }
	return api.MoveList{
		Open: []api.Move{
			{ID: 9, Shop: "meeras-pottery", Name: "Meera's Pottery", From: "s1", To: "s2", Phase: "copying", Rows: 204_113, Copied: 88_250, Started: now.Add(-3 * time.Minute)},
			{ID: 10, Shop: "balaji", Name: "Shree Balaji Traditional Handicrafts, Pottery and Home Furnishings Emporium (Since 1947)", From: "s1", To: "postgres-mumbai", Phase: "closing", Rows: 9_120, Copied: 9_120, Checked: 9_120, Aborts: 2, Failures: 2,
				Error: "the switch was given up: context deadline exceeded", Started: now.Add(-11 * time.Minute)},
			{ID: 8, Shop: "kabir-books", Name: "Kabir Books", From: "s2", To: "s1", Phase: "kept", Arrived: true, Rows: 30_402, Copied: 30_402, Checked: 30_511, Pause: 6.4, Started: now.Add(-2 * time.Hour), Moved: at(-time.Hour), Kept: at(23 * time.Hour)},
		},
		Ended: []api.Move{
			{ID: 7, Shop: "lakshmi", Name: "लक्ष्मी साड़ी भंडार", From: "s1", To: "s2", Phase: "done", Arrived: true, Over: true, Rows: 1_204, Pause: 12.9, Started: now.Add(-49 * time.Hour), Ended: at(-25 * time.Hour)},
			{ID: 6, Shop: "a", Name: "A", From: "s1", To: "s2", Phase: "failed", Over: true, Rows: 88, Error: "The operator gave it up.", Started: now.Add(-50 * time.Hour), Ended: at(-50 * time.Hour)},
		},
	}
}
