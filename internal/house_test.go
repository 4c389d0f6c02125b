// Package house holds no code, only tests of the house rules: who may import
// whom, what a statement may touch, and how files are kept. The rules are the
// tables at the top of this file; exceptions stand in them with their reasons.
// Every rule is also run on made-up sources that break it.
//
// house.golden is the plan of the house. When a change alters it, run
//
//	go test ./internal -update
//
// and let the difference be reviewed with the change.
package house

import (
	"flag"
	"fmt"
	"go/ast"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// floors, lowest first: a room may import rooms of lower floors only. Leaves
// import nothing but the standard library.
var floors = [][]string{
	{"money", "id", "fault", "sheet"},
	{"guard", "meter", "db"},
	{"fleet"},
	{"event"},
	{"cache", "edge", "move", "op", "backup"},
	{"shop", "customer", "stock", "media"},
	{"catalog"}, // a variant's stock is written in the transaction that writes the variant
	{"quote", "pay", "ship"},
	{"order"},
	{"search", "insight", "hook", "notify"},         // only listen: nobody in the domain imports them
	{"web", "api", "cli", "drill", "bench", "seed"}, // bench measures the domain in process, and servers as strangers see them
	{"app"},
	{"cmd"},
}

// leaves lists libraries that a leaf may use all the same, as "room → library".
var leaves = map[string]string{
	"money → github.com/bojanz/currency": "the world's currencies: their digits, symbols and forms",
}

var (
	domain   = slices.Concat(floors[5:10]...)
	delivery = []string{"web", "api", "cli"}
)

// sideways lists imports between rooms of one floor, or upwards.
var sideways = map[string]string{
	"api → web":     "a shopper's session is a signed cookie",
	"web → api":     "pages let callers in by the same door, and stream the same events and files",
	"edge → cache":  "pages are kept in a cache, until what they show has changed",
	"notify → hook": "a merchant is told that a webhook was turned off",
	"cli → api":     "commands work on the operator, here or on a server",
	"drill → api":   "a drill reads the register of incidents as operators do",
}

// readers lists statements that may name a neighbour's table, as "room → table".
var readers = map[string]string{
	"event → shop_outbox": "db writes the outbox with the clock's tick; event carries it on",
	"fleet → shop_clock":  "which shops a shard holds",

	"catalog → stock_level":   "a product's page and the merchant's lists show what can be had, in their one statement",
	"catalog → stock_product": "lists show and filter by what can be bought",
	"order → product":         "a cart is priced in one statement",
	"order → product_variant": "a cart is priced in one statement",
	"order → stock_level":     "a cart says what can be had, in the same statement",
	"search → product":        "what is found is shown as cards, in one statement",
	"search → stock_product":  "what is found says whether it can be bought",
	"search → stock_level":    "what sells stands a little higher",
	"search → collection":     "the menu around what is found",
}

// shopless lists tables of a shard that belong to no shop.
var shopless = map[string]string{
	"shard_term": "one row: the term of the shard, part of every mark, and when its primary last beat",
}

// across lists the uses of db.Across, as "room.variable".
var across = map[string]string{
	"fleet.clocksOf":       "orphans of unfinished sign-ups are shops that the directory does not know",
	"fleet.epochsOf":       "whether a copy of a shard has the shops that a copy of the directory says",
	"db.copies":            "shops whose copy is on a shard that they do not live on",
	"db.moving":            "claims that movers left behind",
	"db.news":              "shops whose events an earlier run left unhandled",
	"db.recent":            "shops with news, which other processes that keep pages of them must hear of",
	"db.probe":             "whether the shard answers at all",
	"stock.Expired":        "holds that have run out",
	"stock.Balances":       "whether every shop's stock adds up, many shops with a statement",
	"stock.Entries":        "what checking each shop will cost, so that no statement lasts long",
	"order.OldCarts":       "carts that nobody came back to",
	"catalog.unfinished":   "imports that an earlier run left",
	"catalog.withFiles":    "uploaded files that some import still needs: others are swept away",
	"catalog.shopsWaiting": "images whose time to be fetched has come",
	"hook.Due":             "webhooks' deliveries whose time has come",
	"hook.Old":             "what became of webhooks' deliveries, once it was kept for long enough",
	"event.parkedByShop":   "how many events wait for somebody to look, by shop",
	"event.parkedKeysOf":   "how many of a subscriber's keys are parked, before one more is",
	"event.lastSettled":    "which shops' parked events were settled last, for the operator's list",
	"event.SettledLongAgo": "what became of parked events, once it was kept for long enough",
}

// control lists the rooms with statements on the control database.
var control = map[string]string{
	"fleet": "the directory of shards and shops",
	"shop":  "accounts, codes and sessions belong to no shop",
	"move":  "moves of shops between shards, and how far they are",
	"op":    "answers kept for an Idempotency-Key on the platform's own host",
}

// overrides is how many statements may have another text on PostgreSQL.
const overrides = 12

// only says which packages may import what; a folder stands for those below.
var only = []struct {
	what []string
	by   []string
	why  string
}{
	{[]string{"database/sql", "github.com/jackc/pgx", "github.com/ncruces/go-sqlite3", "modernc.org/sqlite", "github.com/mattn/go-sqlite3"},
		[]string{"internal/db"}, "only db imports drivers"},
	{[]string{"github.com/twmb/franz-go", "github.com/segmentio/kafka-go", "github.com/IBM/sarama"},
		[]string{"internal/event"}, "only event imports Kafka"},
	{[]string{"github.com/redis", "github.com/valkey-io", "github.com/gomodule/redigo"},
		[]string{"internal/cache"}, "only cache imports Redis"},
	{[]string{"github.com/minio"},
		[]string{"internal/media/bucket"}, "only media/bucket speaks S3"},
}

// outward is what the domain must not import, being for serving or calling
// out, and where in the domain calling out is the purpose.
var (
	outward   = []string{"net", "net/http", "net/smtp", "net/rpc", "github.com/danielgtaylor/huma", "github.com/a-h/templ", "github.com/wneessen/go-mail"}
	providers = []string{"internal/notify/", "internal/pay/", "internal/media/fetch", "internal/media/bucket", "internal/hook/post"}
)

var nobody = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc", "shared", "base", "types"}

const longest = 600 // lines of a file

type rule struct {
	name  string
	check func(*house) []string
}

var rules = []rule{
	{"floors", checkFloors},
	{"third parties", checkOnly},
	{"domain and delivery", checkDomain},
	{"statements", checkStatements},
	{"package comments", checkComments},
	{"files and names", checkFiles},
	{"tests", checkTests},
}

func TestHouse(t *testing.T) {
	h := whole(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, finding := range r.check(h) {
				t.Error(finding)
			}
		})
	}
}

var update = flag.Bool("update", false, "rewrite house.golden")

func TestGolden(t *testing.T) {
	plan := whole(t).plan()
	if *update {
		if err := os.WriteFile("house.golden", []byte(plan), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile("house.golden")
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != plan {
		t.Errorf("the plan of the house has changed; if that is meant, run\n\n\tgo test ./internal -update\n\n%s", difference(string(golden), plan))
	}
}

func whole(t *testing.T) *house {
	t.Helper()
	h, err := load(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func floor(room string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, room) })
}

func checkFloors(h *house) (findings []string) {
	h.each(func(p *pkg) {
		from := room(p.dir)
		if from == "internal" || from == "e2e" {
			return
		}
		if floor(from) < 0 {
			findings = append(findings, fmt.Sprintf("%s has no floor: say in house_test.go who may import it", p.dir))
			return
		}
		if floor(from) == 0 {
			for _, name := range p.imports() {
				if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") && leaves[from+" → "+name] == "" {
					findings = append(findings, fmt.Sprintf("%s is a leaf and imports %s", p.dir, name))
				}
			}
		}
		for _, dir := range p.within() {
			to := room(dir)
			edge := from + " → " + to
			switch {
			case support(dir) && !support(p.dir):
				findings = append(findings, fmt.Sprintf("%s imports %s, which is for tests only", p.dir, dir))
			case from == to || support(p.dir) || floor(to) >= 0 && floor(to) < floor(from):
			case sideways[edge] != "":
			default:
				findings = append(findings, fmt.Sprintf("%s imports %s: not downwards, and %q is not listed", p.dir, dir, edge))
			}
		}
	})
	return findings
}

func under(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return name == prefix || strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/")
	})
}

func checkOnly(h *house) (findings []string) {
	h.each(func(p *pkg) {
		for _, name := range p.imports() {
			for _, o := range only {
				// database/sql/driver has only interfaces: what a type needs to be stored.
				if under(name, o.what) && name != "database/sql/driver" && !under(p.dir, o.by) {
					findings = append(findings, fmt.Sprintf("%s imports %s: %s", p.dir, name, o.why))
				}
			}
		}
	})
	return findings
}

func checkDomain(h *house) (findings []string) {
	h.each(func(p *pkg) {
		for _, name := range p.imports() {
			provider := slices.ContainsFunc(providers, func(s string) bool {
				return strings.HasPrefix(p.dir+"/", strings.TrimSuffix(s, "/")+"/") && p.dir+"/" != s
			})
			exact := slices.Contains(outward, name) || strings.Contains(name, ".") && under(name, outward)
			if slices.Contains(domain, room(p.dir)) && exact && !provider {
				findings = append(findings, fmt.Sprintf("%s imports %s: the domain serves nothing and does not call out", p.dir, name))
			}
			if slices.Contains(delivery, room(p.dir)) && under(name, []string{module + "internal/db"}) {
				findings = append(findings, fmt.Sprintf("%s imports db: delivery goes through operations", p.dir))
			}
		}
	})
	return findings
}

func checkComments(h *house) (findings []string) {
	h.each(func(p *pkg) {
		var in []string
		tests := !slices.ContainsFunc(p.files, func(f *file) bool { return !f.test })
		for _, f := range p.files {
			if f.ast.Doc != nil && !f.generated && (!f.test || tests) {
				in = append(in, path.Base(f.path))
			}
		}
		if len(in) != 1 {
			findings = append(findings, fmt.Sprintf("%s has %d package comments, not one %v", p.dir, len(in), in))
		}
	})
	return findings
}

func checkFiles(h *house) (findings []string) {
	h.each(func(p *pkg) {
		if slices.Contains(nobody, path.Base(p.dir)) {
			findings = append(findings, fmt.Sprintf("%s: a package is named for its subject", p.dir))
		}
		for _, f := range p.files {
			if !f.generated && f.lines >= longest {
				findings = append(findings, fmt.Sprintf("%s has %d lines; fewer than %d are allowed", f.path, f.lines, longest))
			}
		}
	})
	return findings
}

// checkTests finds tests that skip or sleep.
func checkTests(h *house) (findings []string) {
	h.each(func(p *pkg) {
		for _, f := range p.files {
			if !f.test && !support(p.dir) && room(p.dir) != "e2e" {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, _ := s.X.(*ast.Ident)
				switch {
				case slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, s.Sel.Name):
					findings = append(findings, fmt.Sprintf("%s skips a test; let it fail and say what is missing", h.position(s.Pos())))
				case x != nil && (x.Name == "time" || x.Name == "chromedp") && s.Sel.Name == "Sleep":
					findings = append(findings, fmt.Sprintf("%s sleeps; wait for what is to happen", h.position(s.Pos())))
				}
				return true
			})
		}
	})
	return findings
}
