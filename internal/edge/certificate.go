package edge

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Certificate is a pair of files, a certificate with its chain and its key, as
// they were when they were last whole. Whoever renews them writes new ones in
// their place.
type Certificate struct {
	certFile, keyFile string
	names             []string

	inForce atomic.Pointer[tls.Certificate]

	mu    sync.Mutex
	taken [sha256.Size]byte // of both files, when they were last taken
}

// OpenCertificate reads the pair, which must be in force now and hold for
// these names: "*.example.com" stands for any name below that one.
func OpenCertificate(certFile, keyFile string, names ...string) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, names: names}
	return c, c.Look()
}

// Look reads the files again, if they have changed, and takes them if they are
// whole. Its error says why what is there now cannot be taken; what was taken
// before stays in force.
func (c *Certificate) Look() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n%s%s", len(cert), cert, key)
	is := [sha256.Size]byte(sum.Sum(nil))
	if is == c.taken {
		return nil
	}
	if err := c.take(cert, key); err != nil {
		return err
	}
	c.taken = is
	return nil
}

func (c *Certificate) take(cert, key []byte) error {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s and %s are no pair: %s", c.certFile, c.keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	switch now := time.Now(); {
	case now.After(pair.Leaf.NotAfter):
		return fmt.Errorf("%s ran out on %s", c.certFile, day(pair.Leaf.NotAfter))
	case now.Before(pair.Leaf.NotBefore):
		return fmt.Errorf("%s holds only from %s", c.certFile, day(pair.Leaf.NotBefore))
	}
	for _, name := range c.names {
		if err := pair.Leaf.VerifyHostname(strings.Replace(name, "*", "any", 1)); err != nil {
			return fmt.Errorf("%s is not for %s, only for %s", c.certFile, name, strings.Join(pair.Leaf.DNSNames, ", "))
		}
	}
	c.inForce.Store(&pair)
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// Get gives the pair in force. It is a tls.Config's GetCertificate.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := c.inForce.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("no certificate was read")
}

// soonest is how long before its end a certificate is said to run out, if
// that is less than a fifth of its life.
const soonest = 14 * 24 * time.Hour

// Ends says when the certificate in force runs out, and whether that is soon
// as of now.
func (c *Certificate) Ends(now time.Time) (at time.Time, soon bool) {
	leaf := c.inForce.Load().Leaf
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return leaf.NotAfter, leaf.NotAfter.Sub(now) < min(soonest, life/5)
}
