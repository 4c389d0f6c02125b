package app

import (
	"io"
	"os"
	"testing"
	"time"

	"haat/internal/bench"
)

const programEnv = "APP_TEST_PROGRAM"

// runAsProgram has this test be the program for those who start it as that.
func runAsProgram() {
	if os.Getenv(programEnv) != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
}

// Those that there are run in the module of the browser, as the program that
// people have.
func TestNoSuchBenchmark(t *testing.T) {
	err := bench.Run(t.Context(), bench.Options{Names: []string{"nothing"}, Out: t.TempDir(), For: time.Second, Rounds: 1, Shops: 5, Seeded: 60, Crowd: 200, Rise: time.Second, Rows: 200, Large: 60}, measured, io.Discard)
	if err == nil {
		t.Error("a benchmark that there is not was run")
	}
}
