package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Outside connects to hosts of the public internet and to no others. It is for
// addresses that a stranger has written, and that may be meant to make this
// machine talk to its own network: it looks the host up itself, refuses it if
// any answer is not a public address, and connects to the very address that it
// looked at, so that a name that changes its mind in between gains nothing.
// The zero value uses the system's resolver and dialer.
type Outside struct {
	// Lookup finds the addresses of a host; the system's resolver if nil.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address that has been checked: a literal IP and
	// port. The system's dialer if nil, which checks once more what the kernel
	// is about to connect to.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Inside are hosts of our own network that may be talked to all the same, in
	// lower case, and where they are. Nothing is looked up for them.
	Inside map[string]netip.Addr
}

// NotPublic says that a host leads to an address that is not public.
type NotPublic struct{ Host string }

func (e *NotPublic) Error() string { return e.Host + " is not public" }

// DialContext looks the host up, checks every answer and connects to the first
// that takes the connection. A host that must not be talked to is *NotPublic.
func (o Outside) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if a, ok := o.Inside[strings.ToLower(host)]; ok {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, net.JoinHostPort(a.String(), port))
	}
	lookup, dial := o.Lookup, o.Dial
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second, Control: LastLook}).DialContext
	}
	var found []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		found = []netip.Addr{a}
	} else if found, err = lookup(ctx, host); err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	for _, a := range found {
		if !Public(a) {
			return nil, &NotPublic{host}
		}
	}
	err = errors.New(host + " has no address")
	for _, a := range found {
		var c net.Conn
		if c, err = dial(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// LastLook has the last word, on the address the kernel is about to connect
// to. It is a net.Dialer's Control.
func LastLook(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !Public(a.Addr()) {
		return &NotPublic{address}
	}
	return nil
}

// special are the addresses that are not hosts of the public internet: the
// IANA special-purpose registries, with all of multicast and what is reserved.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	// Of IPv6 only 2000::/3 is public; inside it, tunnels that carry any IPv4 address, and documentation.
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

var global6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// Public reports whether the address is a host of the public internet.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is6() && !global6.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
