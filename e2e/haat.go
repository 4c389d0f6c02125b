// Package e2e drives the built program as people do: a merchant and a shopper
// in a headless browser, on a phone and on a desktop.
//
// [Start] runs the binary on free ports with data of its own; [Open] gives a
// browser; [Tab] is one page in it. The journey is in journey_test.go, and the
// command in screenshots/ takes the pictures of the README with the same means.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Haat is the running program.
type Haat struct {
	URL string // of the platform: http://localhost:<port>
	Ops string // of the operator's listener
	Dir string // its data

	bin  string
	mode string
	cmd  *exec.Cmd
	ctx  context.Context // done when the program has ended
	mu   sync.Mutex
	log  []string
}

// Binary gives the program to run: HAAT_BIN, or one built from the source
// beside this module into dir.
func Binary(ctx context.Context, dir string) (string, error) {
	if bin := os.Getenv("HAAT_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	bin := filepath.Join(dir, "haat")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/haat")
	build.Dir = filepath.Dir(filepath.Dir(strings.TrimSpace(string(out))))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build haat: %w: %s", err, out)
	}
	return bin, nil
}

// Start runs the program with its data in dir, on ports nobody uses, and
// returns when it is ready. mode is "serve" or "demo", which also makes the
// demo shop. Codes are readable at /dev/messages.
func Start(ctx context.Context, bin, mode, dir string) (*Haat, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	h := &Haat{
		URL: fmt.Sprintf("http://localhost:%d", ports[0]), Ops: fmt.Sprintf("http://localhost:%d", ports[1]),
		Dir: dir, bin: bin, mode: mode,
	}
	return h, h.Again(ctx)
}

// Again starts the program once more, on the same ports and data, after Kill
// or Close.
func (h *Haat) Again(ctx context.Context) error {
	_, listen, _ := strings.Cut(h.URL, "localhost")
	_, ops, _ := strings.Cut(h.Ops, "localhost")
	h.cmd = exec.Command(h.bin, h.mode, "--dev", "--listen", "127.0.0.1"+listen, "--ops-listen", "127.0.0.1"+ops, "--data", h.Dir)
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	h.cmd.Stderr = h.cmd.Stdout
	if err := h.cmd.Start(); err != nil {
		return fmt.Errorf("start haat: %w", err)
	}
	ended, end := context.WithCancelCause(context.Background())
	h.ctx = ended
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			h.mu.Lock()
			h.log = append(h.log, lines.Text())
			h.mu.Unlock()
		}
		end(errors.Join(errors.New("haat has ended"), h.cmd.Wait()))
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = h.Until(ctx, func() error {
		resp, err := http.Get(h.URL + "/readyz")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz says %s", resp.Status)
		}
		return nil
	})
	if err != nil {
		h.Kill()
		return fmt.Errorf("%w\n%s", err, h.Log())
	}
	return nil
}

// Until tries again, ever more slowly, until try succeeds, the program has
// ended or ctx is done.
func (h *Haat) Until(ctx context.Context, try func() error) error {
	pause := 10 * time.Millisecond
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, time.Second/4)
		case <-ctx.Done():
			return err
		case <-h.ctx.Done():
			return context.Cause(h.ctx)
		}
	}
}

// Log gives what the program has printed.
func (h *Haat) Log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.log, "\n")
}

// Kill ends the program at once, as a crash does.
func (h *Haat) Kill() {
	_ = h.cmd.Process.Kill()
	<-h.ctx.Done()
}

// Close asks the program to end, and ends it if it does not.
func (h *Haat) Close() {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.ctx.Done():
	case <-time.After(20 * time.Second):
		h.Kill()
	}
}

// Shop gives the address of a shop: http://<slug>.localhost:<port>.
func (h *Haat) Shop(slug string) string {
	return strings.Replace(h.URL, "//", "//"+slug+".", 1)
}

// A Message is one that the program has sent, as it shows them when developing.
type Message struct {
	To      string    `json:"to"`
	Channel string    `json:"channel"`
	Text    string    `json:"text"`
	Code    string    `json:"code"`
	SentAt  time.Time `json:"sent_at"`
}

// Message waits for the newest message to somebody (a phone number in E.164,
// or an e-mail address) that ok accepts.
func (h *Haat) Message(ctx context.Context, to string, ok func(Message) bool) (Message, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var found Message
	err := h.Until(ctx, func() error {
		var page struct {
			Items []Message `json:"items"`
		}
		if err := h.Get(ctx, h.URL+"/dev/messages", &page); err != nil {
			return err
		}
		for _, m := range page.Items {
			if m.To == to && ok(m) {
				found = m
				return nil
			}
		}
		return fmt.Errorf("no such message to %s among %d", to, len(page.Items))
	})
	return found, err
}

// Code waits for the one-time code sent to somebody.
func (h *Haat) Code(ctx context.Context, to string) (string, error) {
	m, err := h.Message(ctx, to, func(m Message) bool { return m.Code != "" })
	return m.Code, err
}

// Get reads JSON from an address of the program; any <slug>.localhost is itself.
func (h *Haat) Get(ctx context.Context, address string, into any) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+u.Port()+u.RequestURI(), nil)
	if err != nil {
		return err
	}
	req.Host = u.Host
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", address, resp.Status, body)
	}
	return json.Unmarshal(body, into)
}

func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all of them, so that they differ
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}
