// Package buckettest starts a server that speaks S3 for a test: versitygw,
// which keeps objects as files, checks signatures, and is none of ours.
package buckettest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"haat/internal/media/bucket"
)

const version = "v1.8.0" // as in scripts/install-test-deps

// Server is a running server with one bucket, "pictures".
type Server struct {
	Keys bucket.Keys
	addr string
	dir  string
	stop func()
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{Keys: bucket.Keys{Access: "haat-test-access", Secret: "haat-test-secret"}, dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	l.Close()
	t.Cleanup(func() { s.Stop() })
	s.Again(t)
	c, err := minio.New(s.addr, &minio.Options{Creds: credentials.NewStaticV4(s.Keys.Access, s.Keys.Secret, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(t.Context(), "pictures", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// Address gives the address of a prefix in the bucket.
func (s *Server) Address(prefix string) string {
	return "s3://pictures/" + prefix + "?endpoint=http://" + s.addr + "&region=us-east-1"
}

// Stop kills the server. What it has stays.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Again starts a server that was stopped, at its address.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	bin, err := exec.LookPath("versitygw")
	if err != nil {
		cache, _ := os.UserCacheDir()
		bin = filepath.Join(cache, "haat-test", "versitygw-"+version)
		if _, err := os.Stat(bin); err != nil {
			t.Fatalf("there is no versitygw: run scripts/install-test-deps (%v)", err)
		}
	}
	data, meta := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "meta")
	for _, dir := range []string{data, meta} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, "--port", s.addr, "--quiet", "posix", "--sidecar", meta, data)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.Keys.Access, "ROOT_SECRET_KEY="+s.Keys.Secret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // whose end is what Pdeathsig means
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	s.stop = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if c, err := net.Dial("tcp", s.addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("versitygw ended: %s", &out)
		case <-ctx.Done():
			t.Fatalf("versitygw does not listen: %s", &out)
		}
	}
}

// output keeps the beginning of what a server says.
type output struct {
	b [4096]byte
	n int
}

func (o *output) Write(p []byte) (int, error) {
	o.n += copy(o.b[o.n:], p)
	return len(p), nil
}

func (o *output) String() string { return fmt.Sprintf("%q", o.b[:o.n]) }
