package console

import "time"

// Frame is what stands around every page behind the token.
type Frame struct {
	Title   string
	Section string // "overview", "shops" or "parked"
	CSRF    string
	Now     time.Time
	Zone    *time.Location // the operator's; nil: UTC
	Version string
	Node    string // which process answers
	Alarms  int    // warnings that are on, shown beside Overview
	Flash   string
	// FlashUndo takes the last action back: where it posts, empty for nothing.
	FlashUndo string
}

// SignIn is GET and POST /signin, field "token".
type SignIn struct {
	Now     time.Time
	CSRF    string
	Next    string
	Problem string
}

// Overview is GET /: is anything wrong?
type Overview struct {
	Frame
	// State is "good", "warn" or "bad"; Verdict the same in one sentence.
	State   string
	Verdict string
	Since   time.Time // when State began; zero: since the start
	Started time.Time
	Alarms  []Alarm // worst first
	Numbers []Number
	Traffic Traffic
	Shards  []Shard
	Events  Events
	Parked  []ParkedKey // the first few
}

// Alarm is one thing that is wrong.
type Alarm struct {
	Kind   string // "bad" or "warn"
	Title  string // "Shard s2 is behind"
	Text   string // what is known, with numbers
	Next   string // what to do now
	Since  time.Time
	URL    string // the page or part of it that shows it
	People string // who is hurt: "41 shops cannot take orders"; empty: nobody
}

// Number is one figure with what is usual.
type Number struct {
	Label, Value, More string
	State              string // "good", "warn", "bad" or empty
	URL                string
}

// Traffic is requests and errors over the last hour, one value a minute.
type Traffic struct {
	Labels   []string
	Requests []float64
	Errors   []float64
	Format   func(float64) string
	Summary  string
	P50, P99 string
}

// Shard is one database.
type Shard struct {
	Name   string
	Engine string // "SQLite", "PostgreSQL"
	Where  string // file or host
	Shops  string // "1,204"
	Size   string // "1.2 GB"
	Writes string // "38 a second"
	Lag    string // of its clock: "2 ms"; replicas: the worst
	Queue  string // writers waiting
	State  string // "good", "warn", "bad"
	Note   string
}

// Events is how news travels.
type Events struct {
	Backlog   string // "0", "12,408"
	Oldest    string // "14 s": age of the oldest one not consumed; empty: none
	Parked    int
	ParkedURL string
	Consumers []Consumer
}

// Consumer is one listener of events.
type Consumer struct {
	Name, Behind, Rate string
	State              string
}

// Parked is GET /parked: events whose handling failed too often.
type Parked struct {
	Frame
	Rows []ParkedKey
	Next string
}

// ParkedKey is one sequence of events that stands still: POST /parked/<id>/retry
// or /parked/<id>/skip.
type ParkedKey struct {
	ID, Shop, ShopURL, Consumer, Topic, Key, Problem string
	Tries, Behind                                    int
	Since                                            time.Time
}

// Shops is GET /shops?q=&state=&sort=&cursor=.
type Shops struct {
	Frame
	Query string
	State string // "", "open", "suspended"
	Sort  string // "active", "orders", "size", "new", "name"
	Rows  []ShopRow
	Total string
	Next  string // address of the next page
	First string // address of the first page, when this is not it
}

// ShopRow is one shop.
type ShopRow struct {
	URL, Name, Slug, ShopURL, Shard string
	Size                            string
	Today, Week                     string // orders
	Active                          time.Time
	Suspended                       bool
	Trend                           []float64 // orders by day, the last week
}

// Shop is GET /shops/<slug>; POST /shops/<slug>/suspend (field "reason") and
// /shops/<slug>/resume.
type Shop struct {
	Frame
	Row         ShopRow
	ID          string
	Owner       string
	Created     time.Time
	Country     string
	Currency    string
	Numbers     []Number
	Facts       []Fact // shard, clock, epoch, products, images, files
	Reason      string // why it is suspended, or what was typed
	SuspendedAt time.Time
	Problem     string
	Parked      []ParkedKey
	Log         []LogEntry
}

// Fact is one line about a shop.
type Fact struct{ Label, Value string }

// LogEntry is one action an operator took.
type LogEntry struct {
	At       time.Time
	By, Text string
}

// Failure is a page for something that went wrong.
type Failure struct {
	Now           time.Time
	Status        int
	Heading, Text string
	RequestID     string
}
