package drill

import (
	"net"
	"sync"
)

// link is a way to a server that can be cut: then nothing comes through it, and
// nobody is told.
type link struct {
	addr string

	mu     sync.Mutex
	target string
	isCut  bool
	open   map[net.Conn]bool
}

// newLink makes a way that leads nowhere yet.
func (r *run) newLink() (*link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &link{addr: l.Addr().String(), open: map[net.Conn]bool{}}
	r.atEnd(func() {
		_ = l.Close()
		k.hangUp()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			k.lead(c)
		}
	}()
	return k, nil
}

// to says where it leads.
func (k *link) to(addr string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.target = addr
}

// cut has all that is sent vanish, until mend.
func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.isCut = true
}

// mend ends it. Connections of before are over.
func (k *link) mend() {
	k.hangUp()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.isCut = false
}

func (k *link) hangUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.open {
		_ = c.Close()
	}
	clear(k.open)
}

func (k *link) lead(c net.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[c] = true
	if k.isCut {
		return // it is never answered
	}
	s, err := net.Dial("tcp", k.target)
	if err != nil {
		_ = c.Close()
		return
	}
	k.open[s] = true
	go k.carry(s, c)
	go k.carry(c, s)
}

func (k *link) carry(to, from net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		k.mu.Lock()
		lost := k.isCut
		k.mu.Unlock()
		if n > 0 && !lost {
			if _, err := to.Write(b[:n]); err != nil {
				break
			}
		}
		if err != nil && lost {
			return // the other side hears of it when the way is mended
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.open, from)
}
