package dashboard

import "time"

// Today is GET <base>: did anything sell, and what must be done now.
type Today struct {
	Frame
	Numbers TodayNumbers
	Hours   DayChart
	Days    DaysChart
	Sold    []SoldRow // what sold best in the days of Days, the best first
	// Waiting are the oldest orders nobody has accepted yet; Recent the
	// newest of all.
	Waiting []OrderRow
	Recent  []OrderRow
	// Steps are what a new shop still has to do; none: not shown.
	Steps []Step
	Link  ShareLink
	// LiveURL is where news arrives by server-sent events; see js/live.js.
	LiveURL string
}

// TodayNumbers are the figures at the top, replaced as a whole when they
// change.
type TodayNumbers struct {
	Sales      string // "₹12,480"
	SalesMore  string // "18 % above last Monday by now"
	SalesTrend string // "up", "down" or empty
	Orders     string
	OrdersMore string
	Average    string // of an order; empty when there is none
	Visits     string
	Conversion string // "3.1 % ordered"; empty when it says nothing
	Waiting    int    // orders to accept
	WaitingURL string
	OldestWait string // "oldest 25 min ago"
	UpdatedAt  time.Time
}

// DayChart is sales by hour today, with yesterday behind.
type DayChart struct {
	Labels    []string  // "12 am" …, one an hour
	Today     []float64 // in major units, up to and including this hour
	Yesterday []float64 // the whole day
	Format    func(float64) string
	Summary   string // the chart in one sentence

	Visits, VisitsYesterday []float64 // as Today and Yesterday
	VisitsSummary           string
}

// DaysChart is sales and visits by day over the last 7 or 30 days.
type DaysChart struct {
	Range   int // 7 or 30
	Labels  []string
	Values  []float64
	Format  func(float64) string
	Total   string
	More    string // "₹4,100 a day"
	Summary string

	Visits     []float64
	VisitsSum  string // "1,204 visits"
	Conversion string // "3.1 % ordered"
}

// SoldRow is a product and what it sold.
type SoldRow struct {
	Title, URL   string // URL is empty of a product that was deleted since
	Units, Sales string
}

// Step is one thing a new shop does.
type Step struct {
	Title, Text, URL, Action, Icon string
	Done                           bool
}

// ShareLink is the shop's address in the forms people send it in.
type ShareLink struct {
	URL         string // complete
	Short       string // without the scheme, as printed
	WhatsAppURL string // opens WhatsApp with Message
	Message     string
}

// OrderRow is one order in a list.
type OrderRow struct {
	URL      string
	Number   string // "#1042"
	Customer string
	Place    string
	Items    string // "3 items"
	Total    string
	At       time.Time
	State    Status
	Payment  Status
	New      bool // not yet accepted
}

// Orders is GET <base>/orders?state=&q=&after=&before=.
type Orders struct {
	Frame
	Tabs  []Tab // All, To accept, To send, Sent, To pay, Cancelled
	State string
	Query string
	Rows  []OrderRow
	Pager Pager
	Total string // "5,012 orders"
	// Empty is true when the shop never had an order, rather than when
	// nothing matches.
	Empty bool
	Link  ShareLink
}

// Order is GET <base>/orders/<id>.
type Order struct {
	Frame
	URL     string // of this page; actions post below it
	Number  string
	At      time.Time
	State   Status
	Payment Status
	Lines   []OrderLine
	Sums    []Sum
	Total   string

	Customer    string
	CustomerURL string
	Phone       string // as written to people
	TelURL      string
	WhatsAppURL string
	Email       string
	Address     []string // lines
	MapURL      string
	Note        string // the shopper's

	Method     string // "Cash on delivery", "UPI"
	PayNote    string // what the merchant should check before marking it paid
	StatusURL  string // the page the shopper sees
	Tracking   Tracking
	Timeline   []Moment
	Actions    OrderActions
	Fulfil     FulfilForm
	Cancel     CancelForm
	NoteText   string
	Problems   Problems
	Prev, Next string // the neighbouring orders
}

// OrderLine is one thing that was ordered.
type OrderLine struct {
	Image    Image
	Title    string
	Variant  string
	SKU      string
	Quantity int
	Price    string
	Total    string
	URL      string // the product's editor; empty when it is gone
}

// Sum is one line of an addition.
type Sum struct{ Label, Amount string }

// Tracking is where a parcel can be followed.
type Tracking struct{ Carrier, Number, URL string }

// Moment is one entry of an order's history.
type Moment struct {
	At    time.Time
	Title string
	Text  string
	By    string
	Icon  string // an icon of package design
	Kind  string // as Status.Kind
}

// OrderActions says what may be done now. Primary is the one to offer first:
// "accept", "fulfil", "paid" or empty.
type OrderActions struct {
	Primary                      string
	Accept, Fulfil, Paid, Cancel bool
}

// FulfilForm posts to <url>/fulfil.
type FulfilForm struct{ Carrier, Number, Link string }

// CancelForm posts to <url>/cancel.
type CancelForm struct {
	Reason  string
	Reasons []Choice
	Restock bool
	Refund  string // what is to be given back by hand, in words; empty: nothing
}

// Customers is GET <base>/customers?sort=&q=&after=.
type Customers struct {
	Frame
	Query string
	Sort  string // "last", "newest", "orders" or "spent"
	Sorts []Tab
	Rows  []CustomerRow
	Pager Pager
	Total string
	Empty bool
}

// CustomerRow is one person who ordered.
type CustomerRow struct {
	URL, Name, Phone, Email, Place string
	Orders, Spent                  string
	Last                           time.Time
}

// Customer is GET <base>/customers/<id>.
type Customer struct {
	Frame
	Name        string
	Phone       string
	TelURL      string
	WhatsAppURL string
	Email       string
	Addresses   [][]string
	Orders      string
	Spent       string
	Average     string
	Since       time.Time
	Rows        []OrderRow
	Pager       Pager
}

// Share is GET <base>/share.
type Share struct {
	Frame
	Link     ShareLink
	QR       QR
	Products []ShareProduct // a few newest ones, to send by themselves
}

// ShareProduct is a product that can be sent to someone.
type ShareProduct struct {
	Image       Image
	Title       string
	Price       string
	URL         string
	WhatsAppURL string
}

// QR is a code as squares: Modules[y][x] is true where it is dark.
type QR struct{ Modules [][]bool }

// Poster is GET <base>/share/poster?size=a4|a6: one sheet to print.
type Poster struct {
	Frame
	Size    string // "a4" or "a6"
	Heading string
	Text    string
	Link    ShareLink
	QR      QR
	Accepts []string // "Cash on delivery", "UPI"
}
