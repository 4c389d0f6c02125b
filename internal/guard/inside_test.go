package guard_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"haat/internal/guard"
)

// A host of our own network is talked to under the name that is allowed, and
// under no other.
func TestOnlyWhatIsAllowedInsideIsCalled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	o := guard.Outside{Inside: map[string]netip.Addr{"erp.example.com": netip.MustParseAddr("127.0.0.1")}}
	c, err := o.DialContext(t.Context(), "tcp", net.JoinHostPort("ERP.example.com", port))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		c, err := o.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		if !errors.As(err, new(*guard.NotPublic)) {
			t.Errorf("%s: %v, %v", host, c, err)
		}
	}
}
