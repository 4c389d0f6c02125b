package drill

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// need is a server that a drill cannot do without.
type need struct {
	name  string
	files []string // one of these patterns is there when it is installed
	from  string   // the Debian packages
}

// installed reports whether it is there.
func (n need) installed() bool {
	for _, f := range n.files {
		if found, _ := filepath.Glob(f); len(found) > 0 {
			return true
		}
		if _, err := exec.LookPath(filepath.Base(f)); err == nil {
			return true
		}
	}
	return false
}

// have installs the server where it can: as root on Debian. Elsewhere it says
// in one line what is missing.
func (n need) have(ctx context.Context, out io.Writer) error {
	if n.installed() {
		return nil
	}
	apt, err := exec.LookPath("apt-get")
	if os.Getuid() != 0 || err != nil {
		return fmt.Errorf("%s is not installed (Debian: sudo apt-get install %s)", n.name, n.from)
	}
	fmt.Fprintf(out, "  … installing %s\n", n.from)
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, strings.Fields(n.from)...)} {
		c := exec.CommandContext(ctx, apt, args...)
		c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if said, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s is not installed, and apt-get %s fails: %w: %.300s", n.name, args[0], err, said[max(0, len(said)-300):])
		}
	}
	if !n.installed() {
		return fmt.Errorf("%s is not there after apt-get install %s", n.name, n.from)
	}
	return nil
}
