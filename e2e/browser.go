package e2e

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A Device is what a page is looked at with.
type Device struct {
	Name          string
	Width, Height int64
	Scale         float64
	Touch         bool
	Dark          bool // asks for dark colours
	NoScript      bool // runs no JavaScript of the page
}

var (
	Phone   = Device{Name: "phone", Width: 390, Height: 844, Scale: 2, Touch: true}
	Desktop = Device{Name: "desktop", Width: 1440, Height: 900, Scale: 1}
)

// A Browser is one Chromium process, with a fresh profile.
type Browser struct {
	ctx   context.Context
	close func()
}

// Open starts Chromium, which makes <anything>.localhost this machine.
func Open(ctx context.Context) (*Browser, error) {
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.DisableGPU,
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en-IN"),
	)
	if os.Getuid() == 0 {
		flags = append(flags, chromedp.NoSandbox) // Chromium has none for root
	}
	alloc, stop := chromedp.NewExecAllocator(ctx, flags...)
	tab, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(log.Printf))
	if err := chromedp.Do(tab); err != nil {
		cancel()
		stop()
		return nil, fmt.Errorf("start Chromium (Debian: apt-get install chromium): %w", err)
	}
	return &Browser{ctx: tab, close: func() {
		_ = chromedp.Cancel(tab)
		stop()
	}}, nil
}

// Close ends the process.
func (b *Browser) Close() { b.close() }

// A Tab is one page of somebody's: a new tab has no cookies of another.
type Tab struct {
	ctx   context.Context
	close func()

	mu     sync.Mutex
	errors []error // what the page's scripts and policy complained about
}

// Tab opens a page of one's own on a device.
func (b *Browser) Tab(d Device) (*Tab, error) {
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t := &Tab{ctx: ctx, close: cancel}
	if err := t.open(d); err != nil {
		cancel()
		return nil, fmt.Errorf("open a tab on a %s: %w", d.Name, err)
	}
	return t, nil
}

func (t *Tab) open(d Device) error {
	err := chromedp.Listen(t.ctx, func(event any) {
		t.mu.Lock()
		defer t.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			about := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				about += " " + e.ExceptionDetails.Exception.Description
			}
			t.errors = append(t.errors, errors.New(about))
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.EntryLevelError {
				t.errors = append(t.errors, fmt.Errorf("%s: %s", e.Entry.Text, e.Entry.URL))
			}
		}
	})
	if err != nil {
		return err
	}
	metrics := emulation.SetDeviceMetricsOverrideParams{Width: d.Width, Height: d.Height, DeviceScaleFactor: d.Scale, Mobile: d.Touch}
	if _, err := chromedp.Call(t.ctx, emulation.SetDeviceMetricsOverride, metrics); err != nil {
		return err
	}
	if _, err := chromedp.Call(t.ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: d.Touch}); err != nil {
		return err
	}
	colours := "light"
	if d.Dark {
		colours = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: colours},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	if _, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, media); err != nil {
		return err
	}
	_, err = chromedp.Call(t.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: d.NoScript})
	return err
}

// Close closes the page and forgets its cookies.
func (t *Tab) Close() { t.close() }

// patience is how long one step may take.
const patience = 30 * time.Second

// Do takes steps one after another.
func (t *Tab) Do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Text waits for an element and gives what a person reads in it.
func (t *Tab) Text(css string) (string, error) { return ask(t, chromedp.Text(chromedp.CSS(css))) }

// Shows waits until an element reads as containing a text, also on the page
// that a click is still leading to. Its error tells what was read instead.
func (t *Tab) Shows(css, text string) error {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	poll := chromedp.PollFunction[bool](`(css, text) => !!document.querySelector(css)?.innerText.includes(text)`,
		chromedp.WithPollingArgs(css, text), chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))
	for {
		_, err := chromedp.Run(ctx, poll)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && !errors.Is(err, chromedp.ErrPollingTimeout) {
			continue // the page went away under the question: ask the next one
		}
		read, _ := t.Text(css)
		return fmt.Errorf("%s shows %.300q, want %q: %w", css, read, text, err)
	}
}

func ask[T any](t *Tab, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, action)
}

// Complaints gives the errors of scripts and policies since the tab was opened.
func (t *Tab) Complaints() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.errors...)
}

// Overflow gives by how many pixels the page is wider than its window.
func (t *Tab) Overflow() (int, error) {
	return ask(t, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
}

// loaded waits for fonts and for the images that a reader sees at first.
const loaded = `Promise.all([document.fonts.ready, ...[...document.images].filter(i => i.loading != "lazy" || i.complete).map(i => i.decode().catch(() => {}))]).then(() => true)`

// Screenshot writes what the window shows as a PNG file.
func (t *Tab) Screenshot(file string) error {
	if _, err := ask(t, chromedp.Evaluate[bool](loaded, chromedp.EvalAwaitPromise)); err != nil {
		return fmt.Errorf("wait for the pictures of %s: %w", file, err)
	}
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err != nil {
		return fmt.Errorf("take %s: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, shot.Data, 0o644)
}
