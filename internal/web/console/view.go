package console

import "time"

// Frame is what stands around every page behind the token.
type Frame struct {
	Title   string
	Section string // "overview", "incidents", "shops", "moves", "parked" or "processes"
	CSRF    string
	Now     time.Time
	Zone    *time.Location // the operator's; nil: UTC
	Version string
	Alarms  int // warnings that are on, shown beside Overview
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
	Started time.Time
	Alarms  []Alarm
	Checks  []Check // what was looked at and is well
	Numbers []Number
	Events  Events
	Parked  []ParkedKey // the first few
}

// Alarm is one thing that is wrong.
type Alarm struct {
	Kind  string // "bad" or "warn"
	Title string // "shard s2"
	Text  string // what is known, with numbers
	Next  string // what to do now
	URL   string // the page or part of it that shows it
	Name  string // of the incident, such as "disk-full"
	Means string
	Since time.Time
	Times int64 // it came up
}

// Incidents is GET /incidents: what is wrong now, what lately was, and when.
type Incidents struct {
	Frame
	Open     []Alarm
	Past     []PastIncident
	Timeline Timeline
}

// PastIncident is one that is over.
type PastIncident struct {
	Title, Name, Text, URL string
	Critical               bool
	Since, Resolved        time.Time
	Times                  int64
}

// Timeline is a picture of the last days, a row for each name.
type Timeline struct {
	From, To time.Time
	Rows     []TimelineRow
}

// TimelineRow is when incidents of one name were open.
type TimelineRow struct {
	Name     string
	Critical bool
	Spans    []Span
}

// Span is one incident's time, in what of the picture it covers, of 1000.
type Span struct {
	X, Width int
	Open     bool
	Label    string
}

// Check is one thing that was looked at.
type Check struct{ Name, Detail string }

// Number is one figure with what is usual.
type Number struct {
	Label, Value, More string
	State              string // "good", "warn", "bad" or empty
	URL                string
}

// Events is how news travels.
type Events struct {
	Busy      string // subscribers at work on some shop's events
	Parked    int
	ParkedURL string
	Consumers []Consumer // those that wait for something
}

// Consumer is one listener of events, and what it waits for.
type Consumer struct {
	Name, Waits string
	State       string
}

// Shops is GET /shops?q=&state=&cursor=, newest first.
type Shops struct {
	Frame
	Query string
	State string // "", "open", "suspended"
	Rows  []ShopRow
	Total string
	Next  string // address of the next page
	First string // address of the first page, when this is not it
}

// ShopRow is one shop.
type ShopRow struct {
	URL, Name, Slug, ShopURL, Shard string
	Products                        string
	Today, Week                     string // orders
	Active                          time.Time
	Suspended                       bool
}

// Shop is GET /shops/<slug>; POST /shops/<slug>/suspend and /shops/<slug>/resume.
type Shop struct {
	Frame
	Row     ShopRow
	ID      string
	Created time.Time
	Alarms  []Alarm // what of its stock does not add up
	Numbers []Number
	Facts   []Fact
	Parked  []ParkedKey
}

// Fact is one line about a shop.
type Fact struct{ Label, Value string }

// Failure is a page for something that went wrong.
type Failure struct {
	Now           time.Time
	Status        int
	Heading, Text string
	RequestID     string
}
