// Package redis runs a redis-server of one's own, for tests and drills: it can
// be killed, halted and started anew.
package redis

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a redis-server that keeps nothing on disk.
type Server struct {
	Addr string // host:port, the same through all restarts
	Safe string // another, where it speaks TLS; see StartFor
	more []string
	dir  string
	cmd  *exec.Cmd
	over chan struct{} // closed when the process has ended
}

// starting is how long a server may take to answer.
const starting = time.Minute

// Start starts one on a free port. Its process ends with Stop, or with ours.
func Start(dir string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String(), dir: dir}
	l.Close()
	return s, s.Again()
}

// StartFor starts one that speaks TLS at its address Safe, with a certificate and
// its key in files, PEM, and lets in one user, who may set and get haat's keys.
func StartFor(dir, cert, key, user, password string) (*Server, error) {
	var at [2]string
	for i := range at {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		at[i] = l.Addr().String()
		l.Close()
	}
	_, port, _ := net.SplitHostPort(at[1])
	s := &Server{Addr: at[0], Safe: at[1], dir: dir, more: []string{
		"--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no",
		"--user", user, "on", ">" + password, "~haat:*", "+@all", "--user", "default", "on", "nopass", "-@all", "+ping",
	}}
	return s, s.Again()
}

// URL is the server's address.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Again starts the server, empty, after Stop.
func (s *Server) Again() error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.New("no redis-server: run scripts/install-test-deps")
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	s.cmd = exec.Command(path, append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir,
		"--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"}, s.more...)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said := &output{}
	s.cmd.Stdout, s.cmd.Stderr = said, said
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.over = make(chan struct{})
	go func(cmd *exec.Cmd, over chan struct{}) {
		_ = cmd.Wait()
		close(over)
	}(s.cmd, s.over)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(starting); ; {
		if _, err := s.say("PING"); err == nil {
			return nil
		}
		select {
		case <-s.over:
			return fmt.Errorf("redis-server ended: %s", said)
		case <-late:
			s.Stop()
			return fmt.Errorf("redis-server does not answer: %s", said)
		case <-tick.C:
		}
	}
}

// Stop kills the server, halted or not, and waits until it is gone.
func (s *Server) Stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		<-s.over
	}
}

// Halt has the server stand still, its connections open.
func (s *Server) Halt() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume has it go on.
func (s *Server) Resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// Flush empties it.
func (s *Server) Flush() error {
	_, err := s.say("FLUSHALL")
	return err
}

// say sends one command of one word and gives the first line of the answer.
func (s *Server) say(word string) (string, error) {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte(word + "\r\n")); err != nil {
		return "", err
	}
	b := make([]byte, 200)
	n, err := c.Read(b)
	if answer := string(b[:n]); err == nil && !strings.HasPrefix(answer, "+") {
		return "", errors.New(strings.TrimSpace(answer))
	}
	return string(b[:n]), err
}

// output keeps the beginning of what is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *output) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() < 4096 {
		t.b.Write(b)
	}
	return len(b), nil
}

func (t *output) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
