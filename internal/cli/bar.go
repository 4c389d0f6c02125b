package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Bar shows how far long work is: on one line of a terminal that is drawn
// again and again, else on a line of its own now and then.
type Bar struct {
	out      io.Writer
	terminal bool
	drawn    bool
	last     time.Time
}

// NewBar makes a bar for an output.
func NewBar(out io.Writer) *Bar {
	b := &Bar{out: out, last: time.Now()}
	if f, ok := out.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		b.terminal = err == nil
	}
	return b
}

// Due reports whether it is time to show again.
func (b *Bar) Due() bool {
	if b.terminal {
		return time.Since(b.last) >= 200*time.Millisecond
	}
	return time.Since(b.last) >= 10*time.Second
}

// Show shows that so much of all is done, and a text.
func (b *Bar) Show(done, all int64, text string) {
	b.last = time.Now()
	if !b.terminal {
		fmt.Fprintln(b.out, text)
		return
	}
	const width = 24
	full := int(min(done, all) * width / max(1, all))
	fmt.Fprintf(b.out, "\r\x1b[K[%.*s%.*s] %s", full, "########################", width-full, "........................", text)
	b.drawn = true
}

// Clear makes room for another line.
func (b *Bar) Clear() {
	if b.drawn {
		fmt.Fprint(b.out, "\r\x1b[K")
		b.drawn = false
	}
}
