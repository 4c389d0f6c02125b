package drill

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// slowLink stands between haat and a PostgreSQL server, and holds each answer
// back for a while.
func (r *run) slowLink(d *database, delay time.Duration) (dsn string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	r.atEnd(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for c := range open {
			_ = c.Close()
		}
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(d.Host(), ".s.PGSQL.5432"))
			if err != nil {
				_ = client.Close()
				continue
			}
			mu.Lock()
			open[client], open[server] = true, true
			mu.Unlock()
			carry := func(to, from net.Conn, delay time.Duration) {
				b := make([]byte, 64<<10)
				for {
					n, err := from.Read(b)
					if n > 0 {
						time.Sleep(delay)
						if _, err := to.Write(b[:n]); err != nil {
							break
						}
					}
					if err != nil {
						break
					}
				}
				_, _ = to.Close(), from.Close()
				mu.Lock()
				defer mu.Unlock()
				delete(open, from)
			}
			go carry(client, server, delay)
			go carry(server, client, 0)
		}
	}()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	return strings.Replace(d.dsn(), "host="+url.QueryEscape(d.Host()), "host=127.0.0.1&port="+port, 1), nil
}
