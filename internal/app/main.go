package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"haat/internal/api"
	"haat/internal/cli"
)

// commands is the grammar of the command line.
type commands struct {
	ConfigFile kong.ConfigFlag `name:"config" help:"JSON file with the same names as the flags." type:"path"`

	Serve   serveCmd   `cmd:"" help:"Serve the platform."`
	Demo    demoCmd    `cmd:"" help:"Serve the platform with a demo shop, to look around."`
	Seed    seedCmd    `cmd:"" help:"Fill a data folder with made-up shops, as many as you like."`
	Shop    shopCmd    `cmd:"" help:"List, show, suspend and resume shops."`
	Shard   shardCmd   `cmd:"" help:"List, add, change, drain and remove the databases that hold shops."`
	Control controlCmd `cmd:"" help:"Move the database of accounts and the directory."`
	Move    moveCmd    `cmd:"" help:"Move a shop to another shard while it is served, or back; haat move list lists moves."`
	Import  importCmd  `cmd:"" help:"Import a Shopify product CSV into a shop."`
	Export  exportCmd  `cmd:"" help:"Export a shop's catalogue as a Shopify product CSV."`
	Backup  backupCmd  `cmd:"" help:"Copy everything that is kept to a folder, while serving or not, and check the copy."`
	Restore restoreCmd `cmd:"" help:"Put a backup back into an empty data folder, and check it."`
	Media   mediaCmd   `cmd:"" help:"Copy pictures between files and a bucket."`
	Parked  parkedCmd  `cmd:"" help:"Events that could not be handled: list, edit, try again or give up."`
	Doctor  doctorCmd  `cmd:"" help:"Say what is wrong, if anything is."`
	Search  searchCmd  `cmd:"" help:"Searches of shops."`
	Check   checkCmd   `cmd:"" help:"Look whether the stock of every shop adds up: 1 if not, 2 if that could not be seen."`
	Bench   benchCmd   `cmd:"" help:"Measure this machine, beside nginx and Varnish where they are installed."`
	Drill   drillCmd   `cmd:"" help:"Break a platform of its own on purpose, and say what shoppers saw and how soon it was noticed: 1 if a drill fell short, 2 if one could not run."`
	Config  configCmd  `cmd:"" help:"Print the effective settings."`
	Openapi openapiCmd `cmd:"" help:"Print the OpenAPI document of the API."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// Main runs the program and returns its exit code.
func Main(args []string, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	exit := -1
	k, err := kong.New(&c, kong.Name("haat"), kong.Description("A platform for a million online stores."),
		kong.Writers(out, errs), kong.Exit(func(code int) { exit = code }), kong.Configuration(readSettings),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(errs, "haat:", err)
		return 2
	}
	if len(args) == 0 || len(args) == 1 && args[0] == "help" {
		args = []string{"--help"}
	}
	parsed, err := k.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintln(errs, "haat:", err)
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.BindTo(out, (*io.Writer)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(errs, "haat:", err)
		var e *cli.Exit
		if errors.As(err, &e) {
			return e.Code
		}
		return 1
	}
	return 0
}

func logger(level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // one of the names that the flag allows
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}

type serveCmd struct{ Config }

// Run serves until the program is told to end.
func (c *serveCmd) Run(ctx context.Context, out io.Writer) error {
	return serve(ctx, c.Config, out, func(*App) (string, error) { return "", nil })
}

// serve opens the program, prepares it, and serves. The lines that prepare
// returns are printed with the addresses.
func serve(ctx context.Context, cfg Config, out io.Writer, prepare func(*App) (string, error)) error {
	log := logger(cfg.LogLevel)
	if err := usable(cfg); err != nil { // before anything is opened or made
		return err
	}
	a, err := Open(ctx, cfg, log)
	var used *InUse
	if errors.As(err, &used) {
		return fmt.Errorf("%w; one folder is served by one process", err)
	}
	if err != nil {
		return err
	}
	more, err := prepare(a)
	if err == nil {
		err = a.Serve(ctx, func() {
			fmt.Fprintf(out, "haat %s\n\n  Platform   %s\n%s  Operator   http://%s\n", Version, a.cfg.URL, more, a.cfg.OpsListen)
			if a.opsMade != "" {
				fmt.Fprintf(out, "             token %s (kept only as a hash: note it now)\n", a.opsMade)
			}
			fmt.Fprintln(out)
			debug.FreeOSMemory() // what only the start has needed
		})
	}
	return errors.Join(err, a.Close())
}

// remote says how to reach a server that has the data folder open.
type remote struct {
	Data  string `default:"./data" env:"HAAT_DATA" help:"Data folder, when no server runs on it." type:"path"`
	Ops   string `default:"http://127.0.0.1:9090" env:"HAAT_OPS" help:"Ops address of the server, when one runs."`
	Token string `env:"HAAT_OPS_TOKEN" help:"The operator's token, when a server runs."`
}

// operate runs fn on the data folder itself or, if a server has it, on that.
func (r *remote) operate(ctx context.Context, fn func(api.Operator) error) error {
	if r.Token != "" {
		return fn(&api.OperatorClient{URL: r.Ops, Token: r.Token})
	}
	if _, err := os.Stat(r.Data); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	cfg := Config{}
	if err := Defaults(&cfg); err != nil {
		return err
	}
	cfg.Data = r.Data
	a, err := Open(ctx, cfg, logger("warn"))
	var used *InUse
	if errors.As(err, &used) {
		return fmt.Errorf("a server has %s open: give its operator token with --token or HAAT_OPS_TOKEN", r.Data)
	}
	if err != nil {
		return err
	}
	return errors.Join(fn(a), a.Close())
}

// Defaults fills a Config as if it had been given no flags, but the
// environment.
func Defaults(c *Config) error {
	k, err := kong.New(c, kong.Exit(func(int) {}))
	if err != nil {
		return err
	}
	_, err = k.Parse(nil)
	return err
}

type (
	shopCmd struct {
		List    listCmd    `cmd:"" help:"List shops, newest first."`
		Show    showCmd    `cmd:"" help:"Show one shop."`
		Suspend suspendCmd `cmd:"" help:"Close a shop to shoppers; its merchant still sees everything."`
		Resume  resumeCmd  `cmd:"" help:"Open a suspended shop again."`
	}
	listCmd struct {
		remote
		cli.List
	}
	showCmd struct {
		remote
		cli.Show
	}
	suspendCmd struct {
		remote
		cli.Suspend
	}
	resumeCmd struct {
		remote
		cli.Resume
	}
	importCmd struct {
		remote
		cli.Import
	}
	exportCmd struct {
		remote
		cli.Export
	}
	doctorCmd struct {
		remote
		cli.Doctor
	}
)

func (c *listCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.List.Run(ctx, o, out) })
}

func (c *showCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Show.Run(ctx, o, out) })
}

func (c *suspendCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Suspend.Run(ctx, o, out) })
}

func (c *resumeCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Resume.Run(ctx, o, out) })
}

func (c *importCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Import.Run(ctx, o, out) })
}

func (c *exportCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Export.Run(ctx, o, out) })
}

func (c *doctorCmd) Run(ctx context.Context, out io.Writer) error {
	return c.operate(ctx, func(o api.Operator) error { return c.Doctor.Run(ctx, o, out) })
}

type configCmd struct{ Config }

// Run prints every setting as serve would use it; secrets are only said to be
// set.
func (c *configCmd) Run(out io.Writer) error {
	if err := c.Finish(); err != nil {
		return err
	}
	printSettings(out, reflect.ValueOf(c.Config), "")
	d := c.Divide()
	fmt.Fprintf(out, "# of the memory: %v for the runtime, %v for databases (%d readers each, %v a connection), %v for pages, %v for the directory (%d shops), %v for pictures being worked on\n",
		Size(d.Runtime>>20<<20), Size(d.SQLite>>20<<20), d.Readers, Size(d.CacheKiB<<10), Size(d.Pages>>20<<20), Size(d.Directory>>20<<20), d.Shops, Size(d.Pictures>>20<<20))
	fmt.Fprintf(out, "# at most %d connections and %d live screens\n", d.Connections, d.Streams)
	return nil
}

func printSettings(out io.Writer, v reflect.Value, prefix string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Type.Kind() == reflect.Struct {
			printSettings(out, v.Field(i), prefix+f.Tag.Get("prefix"))
			continue
		}
		value := fmt.Sprint(v.Field(i).Interface())
		if _, secret := f.Tag.Lookup("secret"); secret && value != "" {
			value = "(set)"
		}
		fmt.Fprintf(out, "%s=%s\n", f.Tag.Get("env"), value)
	}
}

type openapiCmd struct {
	Markdown bool `help:"As Markdown, for people."`
}

type versionCmd struct{}

// Run prints the version and what it was built with.
func (c *versionCmd) Run(out io.Writer) error {
	revision := ""
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	_, err := fmt.Fprintf(out, "haat %s%s %s %s/%s\n", Version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
