package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// run runs a command in this process.
func run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = Main(args, &o, &e)
	return code, o.String(), e.String()
}

// lastLine is what a person reads when a command fails.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// TestCommands runs every command on a folder that nobody serves and on one
// that a server has open.
func TestCommands(t *testing.T) {
	s := open(t, nil)
	slug := s.shop("Aalto").slug
	s.still(slug)
	host, copied := slug+"."+domain, t.TempDir()
	copyFolder(t, s, copied)
	for _, x := range []struct {
		name string
		at   []string
	}{
		{"server", []string{"--ops", "http://" + s.ops, "--token", s.opsToken}},
		{"folder", nil},
	} {
		at := x.at
		if x.name == "folder" {
			at = []string{"--data", copied}
		}
		t.Run(x.name, func(t *testing.T) {
			haat := func(want int, args ...string) string {
				t.Helper()
				code, out, errs := run(append(args, at...)...)
				if code != want {
					t.Fatalf("haat %s: %d: %s%s", strings.Join(args, " "), code, out, errs)
				}
				return out + errs
			}
			if out := haat(0, "shop", "list"); !strings.Contains(out, slug) || !strings.Contains(out, "Aalto Goods") || !strings.Contains(out, "open") {
				t.Errorf("list: %s", out)
			}
			if out := haat(0, "shop", "list", "nothing"); strings.Contains(out, slug) {
				t.Errorf("list of nothing: %s", out)
			}
			if out := haat(0, "shop", "show", slug); !strings.Contains(out, "Orders") || !strings.Contains(out, "http://"+slug+".") {
				t.Errorf("show: %s", out)
			}
			if out := haat(1, "shop", "show", "nobody"); lastLine(out) != "haat: There is no such shop." {
				t.Errorf("show: %s", out)
			}
			haat(0, "shop", "suspend", slug)
			if out := haat(0, "shop", "show", slug); !strings.Contains(out, "suspended") {
				t.Errorf("suspended: %s", out)
			}
			if x.name == "server" {
				s.get(host+"/", "").want(404)
				s.get(host+"/api/v1/products", "").problem(404, "")
				s.post(host+"/api/v1/carts", "", map[string]any{"lines": []any{}}).problem(404, "")
			}
			haat(0, "shop", "resume", slug)
			if x.name == "server" {
				s.get(host+"/", "").want(200)
			}
			exported := filepath.Join(t.TempDir(), "out.csv")
			haat(0, "export", slug, exported)
			if out := haat(1, "export", slug, exported); !strings.Contains(lastLine(out), "exists") {
				t.Errorf("over a file that is there: %s", out)
			}
			text, err := os.ReadFile(exported)
			if err != nil || !strings.Contains(string(text), "Aalto Bowl") {
				t.Errorf("exported: %s, %v", text, err)
			}
			if out := haat(0, "export", slug); out != string(text) {
				t.Errorf("to the screen: %s", out)
			}
			if out := haat(0, "import", slug, exported, "--dry-run"); !strings.Contains(out, "checked, nothing changed") {
				t.Errorf("dry run: %s", out)
			}
			more := filepath.Join(t.TempDir(), "more.csv")
			if err := os.WriteFile(more, []byte("Handle,Title,Variant Price\nspoon,Spoon,90\nbad,Bad,x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := haat(0, "import", slug, more); !strings.Contains(out, "1 products created") || !strings.Contains(out, "line 3:") {
				t.Errorf("import: %s", out)
			}
			if out := haat(0, "export", slug); !strings.Contains(out, "Spoon") {
				t.Errorf("exported after the import: %s", out)
			}
			haat(1, "import", slug, filepath.Join(t.TempDir(), "none.csv"))
			haat(1, "import", "nobody", more)
			shard, file := "extra-"+x.name, x.name+".db"
			if out := haat(0, "shard", "add", shard, file, "--capacity", "20"); !strings.Contains(out, "takes new shops") {
				t.Errorf("add a shard: %s", out)
			}
			if out := haat(1, "shard", "add", shard, "another.db"); lastLine(out) != "haat: There is a shard "+shard+" already." {
				t.Errorf("add it again: %s", out)
			}
			if out := haat(1, "shard", "add", "away", "postgres://u:hunter4@127.0.0.1:1/db"); !strings.HasPrefix(lastLine(out), "haat: Connect to PostgreSQL at 127.0.0.1: ") || strings.Contains(out, "hunter4") {
				t.Errorf("add what is not there: %s", out)
			}
			haat(0, "shard", "set", shard, "--capacity", "0")
			if out := haat(0, "shard", "drain", shard); !strings.Contains(out, "holds no shops") {
				t.Errorf("drain: %s", out)
			}
			if out := haat(0, "shard", "list"); !strings.Contains(out, shard+"  sqlite  draining  0") || !strings.Contains(out, "s1") {
				t.Errorf("shards: %s", out)
			}
			haat(0, "shard", "open", shard)
			if out := haat(1, "shard", "remove", "s1"); !strings.Contains(lastLine(out), "Shard s1 holds 1 shops.") {
				t.Errorf("remove a shard with shops: %s", out)
			}
			haat(0, "shard", "remove", shard)
			if out := haat(0, "shard", "list"); strings.Contains(out, shard) {
				t.Errorf("shards: %s", out)
			}
			if out := haat(0, "doctor"); !strings.Contains(out, "ok   control database") || !strings.Contains(out, "ok   shard s1") || strings.Contains(out, "BAD") {
				t.Errorf("doctor: %s", out)
			}
		})
	}
	// A folder in use, without or with the wrong token.
	data := s.app.cfg.Data
	if code, _, errs := run("shop", "list", "--data", data); code != 1 || !strings.Contains(lastLine(errs), "HAAT_OPS_TOKEN") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := run("shop", "list", "--ops", "http://"+s.ops, "--token", "wrong"); code != 1 || lastLine(errs) != "haat: The operator's token is missing or wrong." {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := run("serve", "--data", data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"); code != 1 ||
		strings.TrimSpace(errs) != "haat: the data folder "+data+" is in use by another haat process; one folder is served by one process" {
		t.Errorf("serve twice: %d %q", code, errs)
	}
	if code, _, errs := run("doctor", "--data", filepath.Join(data, "none")); code != 1 || !strings.Contains(errs, "--data") {
		t.Errorf("%d %s", code, errs)
	}
}

// copyFolder copies a data folder as it stands, which is what a crash leaves.
func copyFolder(t *testing.T, s *site, to string) {
	t.Helper()
	if err := os.CopyFS(to, written{os.DirFS(s.app.cfg.Data)}); err != nil {
		t.Fatal(err)
	}
}

// written is a folder without what is just being written, and renamed then.
type written struct{ fs.FS }

func (w written) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(all, func(d fs.DirEntry) bool { return strings.HasSuffix(d.Name(), ".new") }), err
}

// TestSettings sees that a setting that cannot work stops the start with one
// line that names it, and that secrets come from files and are not printed.
func TestSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := file("secret", "  hunter2\n")
	for _, args := range [][]string{
		{"--listen", "8080"}, {"--ops-listen", "x"}, {"--url", "shop.example"}, {"--url", "ftp://shop.example"}, {"--url", "http://shop.example/path"}, {"--url", "http://127.0.0.1:8080"}, {"--url", "http://user@shop.example"},
		{"--shards", "0"}, {"--shards", "65"}, {"--shards", "many"}, {"--max-per-ip", "0"}, {"--codes-per-ip", "-1"}, {"--region", "India"}, {"--log-level", "loud"}, {"--smtp-from", "nobody"}, {"--smtp-port", "x"},
		{"--gateway-url", "gateway"}, {"--smtp-password-file", filepath.Join(dir, "none")}, {"--smtp-password-file", secret, "--smtp-password", "x"}, {"--gateway-token-file", secret, "--gateway-token", "x"}, {"--colour", "red"}, {"--config", file("bad.json", "{")}, {"--config", file("odd.json", `{"max-per-house": 1}`)},
	} {
		code, _, errs := run(append([]string{"serve", "--data", filepath.Join(dir, "data")}, args...)...)
		if line := lastLine(errs); code == 0 || !strings.HasPrefix(line, "haat: ") || !strings.Contains(line, strings.TrimSuffix(args[0], "-file")) && args[0] != "--config" {
			t.Errorf("serve %v: %d %s", args, code, errs)
		}
		if _, err := os.Stat(filepath.Join(dir, "data", "control.db")); err == nil {
			t.Fatalf("serve %v has made its databases", args)
		}
	}
	t.Setenv("HAAT_SMTP_PASSWORD_FILE", secret)
	t.Setenv("HAAT_URL", "https://Shops.Example:8443/")
	code, out, errs := run("config", "--gateway-token", "hunter3", "--config", file("good.json", `{"max-per-ip": 77, "codes_per_ip": 30, "region": "de", "smtp-host": "mail.example"}`))
	for _, want := range []string{"HAAT_SMTP_PASSWORD=(set)", "HAAT_GATEWAY_TOKEN=(set)", "HAAT_URL=https://Shops.Example:8443\n", "HAAT_MAX_PER_IP=77", "HAAT_REGION=DE", "HAAT_CODES_PER_IP=30", "HAAT_SMTP_HOST=mail.example", "HAAT_LISTEN=:8080", "HAAT_OPS_LISTEN=127.0.0.1:9090"} {
		if !strings.Contains(out, want) {
			t.Errorf("config does not say %q: %d %s%s", want, code, out, errs)
		}
	}
	if strings.Contains(out, "hunter") {
		t.Errorf("config tells a secret: %s", out)
	}
	cfg := settings(t, dir)
	cfg.SMTP.PasswordFile = secret
	if err := cfg.Finish(); err != nil || cfg.SMTP.Password != "hunter2" {
		t.Errorf("the password is %q, %v", cfg.SMTP.Password, err)
	}
	if code, out, _ := run("version"); code != 0 || !strings.HasPrefix(out, "haat "+Version) {
		t.Errorf("version: %d %s", code, out)
	}
	code, out, _ = run("openapi")
	var doc map[string]any
	if err := json.Unmarshal([]byte(out), &doc); code != 0 || err != nil || doc["openapi"] != "3.1.0" {
		t.Errorf("openapi: %d %v", code, err)
	}
	if code, out, _ = run("openapi", "--markdown"); code != 0 || !strings.Contains(out, "# API version 1") {
		t.Errorf("openapi --markdown: %d %.100s", code, out)
	}
	if code, out, _ = run("--help"); code != 0 || !strings.Contains(out, "serve") {
		t.Errorf("help: %d %s", code, out)
	}
	if code, _, errs = run("nonsense"); code == 0 || !strings.HasPrefix(lastLine(errs), "haat: ") {
		t.Errorf("nonsense: %d %s", code, errs)
	}
}

// TestTheTokenIsToldOnce sees that the first start alone tells the operator's
// token, and that the folder keeps a hash of it.
func TestTheTokenIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	start := func() string {
		ctx, stop := context.WithCancel(t.Context())
		var out bytes.Buffer
		cfg := settings(t, dir)
		cfg.Dev = false
		err := serve(ctx, cfg, &out, func(a *App) (string, error) { stop(); return "", nil })
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first, second := start(), start()
	_, rest, told := strings.Cut(first, "token ")
	token, _, _ := strings.Cut(rest, " ")
	if !told || len(token) < 30 || strings.Contains(second, "token") || !strings.Contains(second, "http://"+domain) {
		t.Errorf("the first start says\n%s\nand the second\n%s", first, second)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), token) {
			t.Errorf("%s holds the token", path)
		}
		if info, e := d.Info(); e != nil || info.Mode().Perm()&0o077 != 0 && strings.Contains(path, "secret") {
			t.Errorf("%s can be read by others: %v %v", path, info.Mode(), e)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestHelp asks for help in the ways that people do.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}, {"-h"}} {
		code, out, errs := run(args...)
		if code != 0 || errs != "" || !strings.Contains(out, "Usage: haat <command>") || !strings.Contains(out, "backup") {
			t.Errorf("haat %v: %d, %q, %q", args, code, out, errs)
		}
	}
	if code, _, errs := run("nonsense"); code != 2 || !strings.Contains(errs, "nonsense") {
		t.Errorf("haat nonsense: %d, %q", code, errs)
	}
}
