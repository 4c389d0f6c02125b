package dashboard

import "time"

// Webhooks is GET and POST <base>/settings/webhooks.
type Webhooks struct {
	Frame
	Rows     []WebhookRow
	Full     string // why no more can be made; empty if one can
	URL      string // as typed
	Topics   []Topic
	Problems Problems
}

// WebhookRow is one webhook in the list.
type WebhookRow struct {
	Address, Link, Note string
	Status              Status
}

// Topic is what a webhook may be told of.
type Topic struct {
	Value, Label string
	On           bool
}

// Webhook is GET and POST <base>/settings/webhooks/{webhook}.
type Webhook struct {
	Frame
	ID, Address string // its address as it is stored
	URL         string // as typed
	Status      Status
	On          bool
	Why         string    // it was turned off
	Failing     time.Time // since when it takes nothing; zero if it does
	Waiting     string
	Secret      string // of one that was made just now
	Topics      []Topic
	Rows        []DeliveryRow
	Pager       Pager
	Problems    Problems
}

// DeliveryRow is one thing that a webhook was told, or is to be told.
type DeliveryRow struct {
	ID, Topic, Note, Body string
	Status                Status
	At                    time.Time
	Again, Drop           bool // it can be sent again, or dropped
}
