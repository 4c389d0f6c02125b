package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server that we started.
type process struct {
	cmd   *exec.Cmd
	said  *tail
	ended chan struct{}
	err   error
}

// tail keeps the last of what a process says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-64<<10):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// start starts a program, which ends with the drill.
func (r *run) start(env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), said: new(tail), ended: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), r.env...), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.Dir = r.dir
	// A group of its own: what a terminal sends to the drill is not for it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(name), err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	r.atEnd(p.stop)
	return p, nil
}

// signal sends a signal to a process that may have ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the process with no warning and waits for that.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// stop asks the process to end and waits for that.
func (p *process) stop() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		p.kill()
	}
}

// freeAddr gives an address of this machine that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// domain is what the shops of a drill live below.
const domain = "haat.test"

// server is haat, serving.
type server struct {
	*process
	r         *run
	data      string
	flags     []string
	addr, ops string
	token     string // the operator's, where this one made it
}

// serve starts haat over a folder, and waits until it is ready. It shows its
// sign-in codes, as with --dev.
func (r *run) serve(ctx context.Context, name string, flags ...string) (*server, error) {
	s := &server{r: r, data: filepath.Join(r.dir, name), flags: flags}
	var err, more error
	s.addr, err = freeAddr()
	s.ops, more = freeAddr()
	if err := errors.Join(err, more); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if _, rest, ok := strings.Cut(s.said.String(), "token "); ok {
		s.token, _, _ = strings.Cut(rest, " ")
	}
	return s, nil
}

// begin starts the server, or starts it again where it was.
func (s *server) begin(ctx context.Context) (err error) {
	args := append([]string{"serve", "--data", s.data, "--listen", s.addr, "--ops-listen", s.ops, "--url", "http://" + domain, "--dev",
		"--log-level", "error", "--max-per-ip", "100000000", "--max-per-person", "100000000",
		"--codes-per-address", "1000", "--codes-per-ip", "1000"}, s.flags...)
	if s.process, err = s.r.start(nil, s.r.program, args...); err != nil {
		return err
	}
	if err := s.ready(ctx, s.addr, "/readyz"); err != nil {
		return err
	}
	return s.ready(ctx, s.ops, "/metrics")
}

// ready waits until a process answers 200.
func (p *process) ready(ctx context.Context, addr, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if status, _, err := get(ctx, addr, domain, path); err == nil && status == http.StatusOK {
			tick.Stop()
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("%s ended (%v) and said: %s", filepath.Base(p.cmd.Path), p.err, strings.TrimSpace(p.said.String()))
		case <-ctx.Done():
			return fmt.Errorf("%s did not begin to answer: %w", filepath.Base(p.cmd.Path), ctx.Err())
		}
	}
}
