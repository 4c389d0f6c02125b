package dashboard

import "time"

// Landing is GET /: what this is, and a field to start with.
type Landing struct {
	Public
	Contact  string // what was typed
	Problems Problems
	DemoURL  string // a shop to look at; empty: none
}

// SignIn is GET and POST /signin.
type SignIn struct {
	Public
	Contact  string
	Next     string // where to go afterwards
	Problems Problems
}

// Code is GET and POST /code: the six digits.
type Code struct {
	Public
	Contact     string // as typed, hidden field
	SentTo      string // as people write it
	Channel     string // "SMS", "WhatsApp", "e-mail"
	Next        string
	Purpose     string // "" sign in; "recover", "contact"
	ResendAt    time.Time
	ResendAfter int // seconds from now; 0: now
	Problems    Problems
	BackURL     string
}

// NameShop is GET and POST /new: the last step of starting a shop.
type NameShop struct {
	Public
	Name      string
	Slug      string // what the name becomes; empty before there is one
	Host      string // of the platform: "localhost:8080"
	Note      string // what was added to the plain name, and why; empty: nothing
	Country   string
	Currency  string
	Countries []Choice
	Problems  Problems
}

// MyShops is GET /shops.
type MyShops struct {
	Public
	Contact string
	Rows    []MyShop
}

// MyShop is one shop of the signed-in person.
type MyShop struct {
	Name, URL, Host, ShopURL, Logo string
	Today                          string // "₹12,480 today · 3 orders"
	Waiting                        int
	Suspended                      bool
}

// Recover is GET and POST /recover: a way in when the phone is lost.
type Recover struct {
	Public
	Contact  string // the lost one
	Second   string // the one that was named for this
	Problems Problems
}

// NewContact is GET and POST /recover/contact, after the code: the contact to
// sign in with from now on.
type NewContact struct {
	Public
	Old, Contact string
	Problems     Problems
}

// DevMessages is GET /dev/messages for a browser.
type DevMessages struct {
	Public
	Items []DevMessage
}

// DevMessage is one message that would have been sent.
type DevMessage struct {
	To, Channel, Text, Code string
	SentAt                  time.Time
}

// Failure is a page for something that went wrong: 403, 404, 429, 500 and so on.
type Failure struct {
	Public
	Status      int
	Heading     string
	Text        string
	RequestID   string // to tell the operator
	ActionURL   string
	ActionLabel string
}
