package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a server or a load that we started.
type process struct {
	cmd   *exec.Cmd
	said  *bytes.Buffer // to be read when it has ended
	ended chan struct{}
	err   error
}

// start starts a program on one CPU, or on all of them (-1).
func start(ctx context.Context, cpu int, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), said: new(bytes.Buffer), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(unix.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	// A child runs where the thread that made it may.
	runtime.LockOSThread()
	var before unix.CPUSet
	err := unix.SchedGetaffinity(0, &before)
	if err == nil && cpu >= 0 {
		err = setCPU(0, cpu)
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if back := unix.SchedSetaffinity(0, &before); back == nil {
		runtime.UnlockOSThread() // else the thread ends with this goroutine
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(name), err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func setCPU(thread, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(thread, &set)
}

// pinned runs fn with all of this process on one CPU.
func pinned(cpu int, fn func() error) error {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	move := func(set *unix.CPUSet) error {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			tid, _ := strconv.Atoi(t.Name())
			if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		return nil
	}
	var one unix.CPUSet
	one.Set(cpu)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return errors.Join(move(&one), fn(), move(&before))
}

// stop ends the process and waits for that.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// cpu gives the processor time that the process and its children have taken.
func (p *process) cpu() time.Duration {
	parent, took := map[int]int{}, map[int]time.Duration{}
	all, _ := os.ReadDir("/proc")
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 13 {
			continue
		}
		parent[pid], _ = strconv.Atoi(f[1])
		user, _ := strconv.ParseInt(f[11], 10, 64)
		system, _ := strconv.ParseInt(f[12], 10, 64)
		took[pid] = time.Duration(user+system) * (time.Second / 100) // USER_HZ
	}
	var sum time.Duration
	for pid := range took {
		for at := pid; at > 1; at = parent[at] {
			if at == p.cmd.Process.Pid {
				sum += took[pid]
				break
			}
		}
	}
	return sum
}

// resident gives the memory of the process in MiB, peak the most it ever was.
func (p *process) resident() float64 { return p.status("VmRSS") }
func (p *process) peak() float64     { return p.status("VmHWM") }

func (p *process) status(name string) float64 {
	kib, _, _ := strings.Cut(lineOf("/proc/"+strconv.Itoa(p.cmd.Process.Pid)+"/status", name), " ")
	n, _ := strconv.ParseFloat(kib, 64)
	return n / 1024
}

// freeAddr gives an address of this machine that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// domain is what the shops of a measured server live below.
const domain = "haat.test"

// server is haat, serving.
type server struct {
	*process
	addr, ops string
}

// serve serves a data folder with this program until it is stopped.
func (b *bench) serve(ctx context.Context, cpu int, data string, flags ...string) (*server, error) {
	s := &server{}
	var err error
	if s.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	if s.ops, err = freeAddr(); err != nil {
		return nil, err
	}
	args := append([]string{"serve", "--data", data, "--listen", s.addr, "--ops-listen", s.ops, "--url", "http://" + domain,
		"--log-level", "error", "--max-per-ip", "100000000", "--max-per-person", "100000000"}, flags...)
	var env []string
	if cpu >= 0 {
		env = append(env, "GOMAXPROCS=1")
	}
	if s.process, err = start(ctx, cpu, env, b.Program, args...); err != nil {
		return nil, err
	}
	return s, s.ready(ctx, s.addr, domain, "/readyz")
}

// metric reads one of the server's own figures.
func (s *server) metric(ctx context.Context, name string) (float64, error) {
	a, err := fetchJSON(ctx, s.ops, domain, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(a.body)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}
	return 0, fmt.Errorf("the server has no metric %s", name)
}

// ready waits until a server answers 200.
func (p *process) ready(ctx context.Context, addr, host, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		if a, err := fetch(ctx, addr, host, path); err == nil && a.status == http.StatusOK {
			return nil
		}
		select {
		case <-t.C:
		case <-p.ended:
			return fmt.Errorf("a server ended (%v) and said: %s", p.err, p.said)
		case <-ctx.Done():
			p.stop()
			return fmt.Errorf("a server did not begin to answer: %w", ctx.Err())
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

var plainClient = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// fetch asks once, as a browser does.
func fetch(ctx context.Context, addr, host, path string) (a answer, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return a, err
	}
	r.Host, r.Header = host, browser.Clone()
	res, err := plainClient.Do(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	a.body, err = io.ReadAll(res.Body)
	return a, err
}

// browser is what a browser says of itself.
var browser = http.Header{
	"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"},
	"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
	"Accept-Language": {"en-IN,en;q=0.9,hi;q=0.8"},
	"Accept-Encoding": {"gzip, deflate, br, zstd"},
}

// fetchJSON asks for something of the API, not compressed.
func fetchJSON(ctx context.Context, addr, host, path string) (a answer, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return a, err
	}
	r.Host = host
	res, err := plainClient.Do(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	if a.body, err = io.ReadAll(res.Body); err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s%s answers %d: %s", host, path, res.StatusCode, a.body)
	}
	return a, err
}
