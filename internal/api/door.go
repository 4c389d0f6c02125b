// Package api lets requests in to the operations that the rooms declare: it
// finds out who is asking and which shop they mean, keeps callers within
// their limits, and serves what is not one JSON document after another:
// uploads, downloads and live events.
package api

import (
	"net"
	"net/http"
	"strings"
	"time"

	"haat/internal/fault"
	"haat/internal/fleet"
	"haat/internal/guard"
	"haat/internal/op"
	"haat/internal/shop"
	"haat/internal/web"
)

// ShopperCookie holds a shopper's session on a shop's host.
const ShopperCookie = "haat_shopper"

// Limits say how much one caller may do in a minute.
type Limits struct {
	PerIP      int  // carts and orders of one IP address
	PerPerson  int  // carts and orders of one session or phone
	TrustProxy bool // the IP address is the last in X-Forwarded-For
}

// Door is how requests come in.
type Door struct {
	fleet    *fleet.Fleet
	accounts *shop.Accounts
	cookies  *web.Cookies
	ip       *guard.Limiter
	person   *guard.Limiter
	proxy    bool
}

// NewDoor makes the door to a fleet's shops.
func NewDoor(f *fleet.Fleet, a *shop.Accounts, c *web.Cookies, l Limits) *Door {
	return &Door{
		fleet: f, accounts: a, cookies: c, proxy: l.TrustProxy,
		ip:     guard.NewLimiter(l.PerIP, time.Minute, "Too many carts and orders come from your network just now. Try again in a moment."),
		person: guard.NewLimiter(l.PerPerson, time.Minute, "You are faster than we can believe. Try again in a moment."),
	}
}

// Shop finds the room of a merchant's slug or, for a shopper, of the host.
func (d *Door) Shop(r *http.Request, role op.Role, slug string) (*fleet.Room, error) {
	if role == op.Merchant {
		return d.fleet.BySlug(r.Context(), slug)
	}
	room, err := d.fleet.ByHost(r.Context(), r.Host)
	if err == nil && room.Suspended() {
		return nil, fault.NotFound("This shop is closed.").With("shop-closed")
	}
	return room, err
}

// Caller finds who is asking, by bearer token or, for a shopper, by cookie.
// What is the platform's is not found on a shop's host, nor the other way.
func (d *Door) Caller(r *http.Request, role op.Role, room *fleet.Room) (op.Caller, error) {
	c := op.Caller{IP: d.IP(r)}
	if _, shops := d.fleet.SlugOfHost(r.Host); shops != (role == op.Shopper) {
		return c, fault.NotFound("There is no such operation on this host.")
	}
	switch role {
	case op.Shopper:
		c.Session = d.cookies.Get(r, ShopperCookie)
		return c, nil
	case op.Public:
		return c, nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return c, fault.Anonymous("Sign in first: send the header Authorization: Bearer <token>.")
	}
	return d.Known(r, token, room)
}

// Known gives the caller that a session token stands for. With a room it has
// checked that they belong to it; one that is not theirs is not found.
func (d *Door) Known(r *http.Request, token string, room *fleet.Room) (op.Caller, error) {
	c := op.Caller{IP: d.IP(r)}
	s, err := d.accounts.Authenticate(r.Context(), token)
	if err != nil {
		return c, err
	}
	c.Account, c.Session = s.Account, s.ID.String()
	if room == nil {
		return c, nil
	}
	ok, err := d.accounts.Member(r.Context(), c.Account, room.Shop())
	if err != nil {
		return c, err
	}
	if !ok {
		return c, fault.NotFound("There is no such shop.")
	}
	c.Shop = room.Shop()
	return c, nil
}

// Admit keeps what writes within limits; what only reads is not limited.
func (d *Door) Admit(r *http.Request, i op.Info, by op.Caller, person string) error {
	if i.Role != op.Shopper || r.Method == http.MethodGet {
		return nil
	}
	if person != "" {
		key, err := d.known(r, person)
		if err != nil {
			return err
		}
		return d.person.Allow(key)
	}
	if err := d.person.Allow(by.Session); err != nil {
		return err
	}
	return d.ip.Allow(by.IP)
}

// known names a shop's person in one way, however their phone number or e-mail
// address was typed: a number without a country is one of the shop's. What is
// neither stays as it is; nobody can order with it.
func (d *Door) known(r *http.Request, typed string) (string, error) {
	room, err := d.Shop(r, op.Shopper, "")
	if err != nil {
		return "", err
	}
	s, known := shop.Lately(room.Shop()) // the country a shop is in does not change every day
	if !known {
		if s, err = shop.ForPage.Do(r.Context(), room, op.Caller{}, shop.PageIn{}); err != nil {
			return "", err
		}
	}
	name := strings.ToLower(strings.TrimSpace(typed))
	if c, err := shop.GuessContact(typed, s.Country); err == nil {
		name = c.Address
	}
	return room.Shop().String() + " " + name, nil
}

// IP is the address that the request came from.
func (d *Door) IP(r *http.Request) string {
	if d.proxy {
		// The proxy writes last: at the end of the line, or a line of its own.
		if lines := r.Header.Values("X-Forwarded-For"); len(lines) > 0 {
			f := lines[len(lines)-1]
			if ip := net.ParseIP(strings.TrimSpace(f[strings.LastIndexByte(f, ',')+1:])); ip != nil {
				return ip.String()
			}
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
