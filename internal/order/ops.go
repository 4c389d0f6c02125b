package order

import (
	"cmp"
	"context"

	"haat/internal/catalog"
	"haat/internal/db"
	"haat/internal/fleet"
	"haat/internal/money"
	"haat/internal/op"
	"haat/internal/shop"
)

// Operations lists what may be asked of this room.
func Operations() []op.Operation {
	return []op.Operation{
		&NewCart, &GetCart, &AddToCart, &ChangeCart, &Place, &Follow,
		&ListOrders, &RecentOrders, &CountOrders, &GetOrder, &Accept, &Fulfil, &Cancel, &Pay, &Note,
	}
}

// Shoppers' operations, on the shop's own host.
var (
	NewCart = op.Write[NewCartIn, Cart]{
		Name: "order.new-cart", Route: "POST /carts", Role: op.Shopper, Created: true,
		Summary: "Make a cart", Run: newCart,
	}
	GetCart = op.Read[CartIn, Cart]{
		Name: "order.get-cart", Route: "GET /carts/{cart}", Role: op.Shopper, Fresh: fleet.Newest,
		Summary: "Read a cart at today's prices", Run: getCart,
	}
	AddToCart = op.Write[AddToCartIn, Cart]{
		Name: "order.add-to-cart", Route: "POST /carts/{cart}/lines", Role: op.Shopper,
		Summary: "Add to what is in a cart", Run: addToCart,
	}
	ChangeCart = op.Write[ChangeCartIn, Cart]{
		Name: "order.change-cart", Route: "PATCH /carts/{cart}", Role: op.Shopper,
		Summary: "Replace a cart's lines, contact or address", Run: changeCart,
	}
	Place = op.Write[PlaceIn, Placed]{
		Name: "order.place", Route: "POST /orders", Role: op.Shopper, Created: true,
		Summary: "Place an order", Run: place, Early: soldOut, Order: true,
	}
	Follow = op.Read[FollowIn, Receipt]{
		Name: "order.follow", Route: "GET /orders/{token}", Role: op.Shopper, Fresh: fleet.Newest,
		Summary: "How an order stands, for its shopper", Run: follow,
	}
)

// What the storefront's pages show, with the shop's settings, which cost no
// statement. They have no route of their own.
var (
	ForCart = op.Read[CartIn, catalog.Shown[Cart]]{
		Name: "order.cart-page", Role: op.Shopper, Fresh: fleet.Newest, Run: forPage(getCart),
	}
	ForStatus = op.Read[FollowIn, catalog.Shown[Receipt]]{
		Name: "order.status-page", Role: op.Shopper, Fresh: fleet.Newest, Run: forPage(follow),
	}
)

func forPage[In, Out any](run func(context.Context, db.Reader, In) (Out, error)) func(context.Context, db.Reader, In) (catalog.Shown[Out], error) {
	return func(ctx context.Context, r db.Reader, in In) (out catalog.Shown[Out], err error) {
		if out.Shop, err = shop.Of(ctx, r); err != nil {
			return out, err
		}
		out.Page, err = run(ctx, r, in)
		return out, err
	}
}

// Merchants' operations.
var (
	ListOrders = op.Read[ListIn, op.List[Summary]]{
		Name: "order.list", Route: "GET /orders", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "List orders, newest first", Run: list,
	}
	RecentOrders = op.Read[RecentIn, op.List[Summary]]{
		Name: "order.recent", Route: "GET /orders/recent", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "The newest orders", Run: recent,
	}
	CountOrders = op.Read[op.Empty, Counts]{
		Name: "order.count", Route: "GET /orders/counts", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "How many orders wait for what", Run: func(ctx context.Context, r db.Reader, _ op.Empty) (Counts, error) { return CountByState(ctx, r) },
	}
	GetOrder = op.Read[OrderIn, Order]{
		Name: "order.get", Route: "GET /orders/{order}", Role: op.Merchant, Fresh: fleet.Newest,
		Summary: "Read an order with its timeline", Run: get,
	}
	Accept = op.Write[OrderIn, Order]{
		Name: "order.accept", Route: "POST /orders/{order}/accept", Role: op.Merchant,
		Summary: "Accept an order", Run: accept,
	}
	Fulfil = op.Write[FulfilIn, Order]{
		Name: "order.fulfil", Route: "POST /orders/{order}/fulfil", Role: op.Merchant,
		Summary: "Say that the goods have left", Run: fulfil,
	}
	Cancel = op.Write[CancelIn, Order]{
		Name: "order.cancel", Route: "POST /orders/{order}/cancel", Role: op.Merchant,
		Summary: "Cancel an order", Run: cancel,
	}
	Pay = op.Write[OrderIn, Order]{
		Name: "order.pay", Route: "POST /orders/{order}/pay", Role: op.Merchant,
		Summary: "Confirm that the money has been received", Run: markPaid,
	}
	Note = op.Write[NoteIn, Order]{
		Name: "order.note", Route: "POST /orders/{order}/note", Role: op.Merchant,
		Summary: "Write a note into an order's timeline", Run: note,
	}
)

// NewCartIn makes a cart.
type NewCartIn struct {
	Body struct {
		Lines []Wanted `json:"lines" required:"false" maxItems:"100"`
	}
}

// CartIn names a cart.
type CartIn struct {
	Cart string `path:"cart" maxLength:"64"`
}

// AddToCartIn adds to a cart: a variant that is in it already gets more.
type AddToCartIn struct {
	Cart string `path:"cart" maxLength:"64"`
	Body struct {
		Lines []Wanted `json:"lines" minItems:"1" maxItems:"100"`
	}
}

// ChangeCartIn changes a cart. What is absent stays as it is.
type ChangeCartIn struct {
	Cart string `path:"cart" maxLength:"64"`
	Body struct {
		Lines           *[]Wanted `json:"lines,omitempty" maxItems:"100" doc:"All of the cart's lines"`
		Contact         *Contact  `json:"contact,omitempty"`
		ShippingAddress *Address  `json:"shipping_address,omitempty"`
	}
}

// PlaceIn is an order to be placed: of a cart or of lines.
type PlaceIn struct {
	op.By
	Body PlaceBody
}

// Person is whom orders are limited by: the phone, else the e-mail address, as
// it was typed.
func (in PlaceIn) Person() string {
	if in.Body.Contact == nil {
		return ""
	}
	return cmp.Or(cleaned(in.Body.Contact.Phone), cleaned(in.Body.Contact.Email))
}

// PlaceBody is the body of PlaceIn.
type PlaceBody struct {
	Cart            string       `json:"cart_id,omitempty" maxLength:"64" doc:"The cart to be ordered; contact and address may then be those of the cart"`
	Lines           []Wanted     `json:"lines,omitempty" maxItems:"100" doc:"Instead of a cart"`
	Contact         *Contact     `json:"contact,omitempty"`
	ShippingAddress *Address     `json:"shipping_address,omitempty"`
	Payment         Method       `json:"payment" enum:"cod,upi"`
	Note            string       `json:"note,omitempty" maxLength:"500" doc:"A word to the merchant"`
	ExpectedTotal   *money.Money `json:"expected_total,omitempty" doc:"The total that the shopper has seen; another one is refused with 409 price-changed"`
}

// FollowIn names an order by its token.
type FollowIn struct {
	Token string `path:"token" maxLength:"64"`
}

// ListIn asks for orders.
type ListIn struct {
	op.Page
	State    string `query:"state" enum:"all,open,unpaid,refund-due,placed,accepted,fulfilled,cancelled" default:"all" doc:"open: placed or accepted; unpaid: the money has not come"`
	Query    string `query:"q" maxLength:"100" doc:"A number, or part of a name, phone or e-mail"`
	Customer string `query:"customer" maxLength:"64" doc:"Only of this customer, in all states"`
}

// RecentIn asks for the newest orders.
type RecentIn struct {
	Limit int `query:"limit" minimum:"1" default:"10" doc:"How many orders to give, 250 at most; larger is capped"`
}

// OrderIn names an order.
type OrderIn struct {
	op.By
	Order string `path:"order" maxLength:"64"`
}

// FulfilIn says that the goods have left, and how to follow them.
type FulfilIn struct {
	op.By
	Order string `path:"order" maxLength:"64"`
	Body  *FulfilBody
}

// FulfilBody is what is known of the parcel.
type FulfilBody struct {
	Carrier string `json:"carrier" required:"false" maxLength:"80"`
	Number  string `json:"number" required:"false" maxLength:"80"`
	URL     string `json:"url" required:"false" maxLength:"500" doc:"An https address"`
}

// CancelIn cancels an order.
type CancelIn struct {
	op.By
	Order string `path:"order" maxLength:"64"`
	Body  *CancelBody
}

// CancelBody says why, and what becomes of the goods.
type CancelBody struct {
	Reason  string `json:"reason" required:"false" maxLength:"500" doc:"The shopper is told"`
	Restock *bool  `json:"restock,omitempty" doc:"Whether sold goods go back on the shelf; true unless said otherwise"`
}

// NoteIn writes a note.
type NoteIn struct {
	op.By
	Order string `path:"order" maxLength:"64"`
	Body  struct {
		Text string `json:"text" maxLength:"2000"`
	}
}
