package id

// The kinds of things that have ids.
type (
	account    struct{}
	session    struct{}
	product    struct{}
	variant    struct{}
	collection struct{}
	image      struct{}
	importing  struct{}
	cart       struct{}
	order      struct{}
	line       struct{}
	customer   struct{}
	entry      struct{}
	message    struct{}
	event      struct{}
	hook       struct{}
)

// Typed ids. Each is 16 bytes in a row and 26 characters in text.
type (
	Account    = ID[account]    // a merchant's or member of staff's sign-in
	Session    = ID[session]    // one signed-in device
	Product    = ID[product]    // a product
	Variant    = ID[variant]    // a variant of a product
	Collection = ID[collection] // a collection
	Image      = ID[image]      // an image in a shop's media
	Import     = ID[importing]  // an import run
	Cart       = ID[cart]       // a cart
	Order      = ID[order]      // an order
	Line       = ID[line]       // a line of an order
	Customer   = ID[customer]   // a customer of a shop
	Entry      = ID[entry]      // a row of a ledger or timeline
	Message    = ID[message]    // a message sent or to be sent
	Event      = ID[event]      // an event
	Hook       = ID[hook]       // a webhook of a shop
)
