package cluster

import (
	"bytes"
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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Elected is a cluster whose primary is elected: PostgreSQL servers under
// Patroni, which asks etcd who leads. Commits wait for a standby. Nothing of it
// outlives this process.
type Elected struct {
	Nodes []*Node
	dir   string
	bin   string
	as    user
	etcd  *kept
	store string // etcd's address
}

// Node is one of an elected cluster's servers, and the Patroni that watches it.
type Node struct {
	cluster   *Elected
	name, dir string
	port      int // of PostgreSQL
	rest      int // of Patroni
	runs      *kept
}

// kept is a program that ends when this process does.
type kept struct {
	guard *exec.Cmd
	alive *os.File
}

// keptScript runs a program until its standard input ends, and kills it then,
// together with the PostgreSQL server of the folder.
const keptScript = `
dir=$1; shift
"$@" </dev/null >>"$dir/log" 2>&1 &
pid=$!
cat >/dev/null
server=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null)
kill -KILL $pid $server 2>/dev/null
wait $pid
while [ -n "$server" ] && kill -0 $server 2>/dev/null; do sleep 0.05; done
[ -e "$dir/keep" ] || rm -rf "$dir"
`

func keep(as user, dir, program string, args ...string) (*kept, error) {
	stdin, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	c := exec.Command("/bin/sh", append([]string{"-c", keptScript, "sh", dir, program}, args...)...)
	c.Dir, c.Stdin = dir, stdin
	c.Env = append(os.Environ(), "HOME="+dir)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as.credential()}
	if err := c.Start(); err != nil {
		alive.Close()
		return nil, err
	}
	return &kept{c, alive}, nil
}

func (k *kept) kill() error {
	if k == nil || k.alive == nil {
		return nil
	}
	k.alive.Close()
	k.alive = nil
	return k.guard.Wait()
}

const (
	leaseOf = 10 * time.Second // in which a primary that is not heard of is replaced
	lookAt  = time.Second      // Patroni's own round
)

// StartElected starts a cluster of so many servers, and returns when one leads
// and the others follow it.
func StartElected(servers int) (_ *Elected, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	as, err := serverUser()
	if err != nil {
		return nil, err
	}
	e := &Elected{bin: bin, as: as}
	if e.dir, err = as.tempDir(true); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start Patroni: %w", err), e.Close())
		}
	}()
	ports, err := freePorts(2 + 2*servers)
	if err != nil {
		return nil, err
	}
	e.store = address(ports[0])
	peers := "http://" + address(ports[1])
	if e.etcd, err = e.run("etcd", "etcd", "--data-dir", "data", "--listen-client-urls", "http://"+e.store, "--advertise-client-urls", "http://"+e.store,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers); err != nil {
		return nil, err
	}
	if err := until(20*time.Second, func() error { return answers("http://" + e.store + "/health") }); err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	for i := range servers {
		n := &Node{cluster: e, name: "n" + strconv.Itoa(i+1), port: ports[2+2*i], rest: ports[3+2*i]}
		e.Nodes = append(e.Nodes, n)
		n.dir = filepath.Join(e.dir, n.name)
		if err := n.Start(); err != nil {
			return nil, err
		}
		if err := until(time.Minute, n.serves); err != nil {
			return nil, fmt.Errorf("%w: %s", err, n.log())
		}
		if i == 0 {
			if err := e.exec(`CREATE ROLE haat LOGIN`); err != nil {
				return nil, err
			}
		}
	}
	return e, until(time.Minute, e.insured)
}

// insured tells whether all standbys stream, and commits wait for one.
func (e *Elected) insured() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, e.DSN("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var standbys, waitedFor int
	err = c.QueryRow(ctx, `SELECT COUNT(*), COUNT(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) FROM pg_stat_replication WHERE state = 'streaming'`).Scan(&standbys, &waitedFor)
	if err == nil && (standbys < len(e.Nodes)-1 || waitedFor == 0) {
		err = fmt.Errorf("%d of %d standbys stream, and %d are waited for", standbys, len(e.Nodes)-1, waitedFor)
	}
	return err
}

// run starts a program of the cluster in a folder of its own.
func (e *Elected) run(name, program string, args ...string) (*kept, error) {
	dir := filepath.Join(e.dir, name)
	if err := errors.Join(os.MkdirAll(dir, 0o700), e.as.own(dir)); err != nil {
		return nil, err
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	return keep(e.as, dir, path, args...)
}

// Start starts a node, or starts it again after Kill.
func (n *Node) Start() (err error) {
	e := n.cluster
	trust := []string{"local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"}
	person := func(name string) object { return object{"username": name, "password": "drill"} }
	config, err := json.Marshal(object{ // which is YAML, too
		"scope": "haat", "name": n.name,
		"restapi": object{"listen": address(n.rest), "connect_address": address(n.rest)},
		"etcd3":   object{"host": e.store},
		"bootstrap": object{
			"dcs": object{
				"ttl": int(leaseOf / time.Second), "loop_wait": int(lookAt / time.Second), "retry_timeout": 3, "synchronous_mode": true,
				"postgresql": object{"use_pg_rewind": true, "parameters": object{"max_connections": 200, "wal_log_hints": "on", "shared_buffers": "64MB"}},
			},
			"initdb": []any{object{"encoding": "UTF8"}, object{"locale": "C.UTF-8"}},
			"pg_hba": trust,
		},
		"postgresql": object{
			"listen": address(n.port), "connect_address": address(n.port), "data_dir": filepath.Join(n.dir, "data"), "bin_dir": e.bin,
			"pgpass": filepath.Join(n.dir, "pgpass"), "pg_hba": trust,
			"authentication": object{"superuser": person("postgres"), "replication": person("replicator"), "rewind": person("rewinder")},
			"parameters":     object{"unix_socket_directories": n.dir, "timezone": "UTC", "log_timezone": "UTC"},
		},
	})
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(n.dir, 0o700), e.as.own(n.dir)); err != nil {
		return err
	}
	path, stay := filepath.Join(n.dir, "patroni.yml"), filepath.Join(n.dir, "keep")
	if err := errors.Join(os.WriteFile(path, config, 0o600), e.as.own(path), os.WriteFile(stay, nil, 0o600)); err != nil {
		return err
	}
	n.runs, err = e.run(n.name, "patroni", path)
	return err
}

// Kill kills the node's server and its Patroni, as the death of their machine
// does.
func (n *Node) Kill() error { return n.runs.kill() }

// Leads tells whether the node is the primary, as its Patroni says.
func (n *Node) Leads() bool { return answers("http://"+address(n.rest)+"/primary") == nil }

// Follows tells whether the node is a standby that streams.
func (n *Node) Follows() bool { return answers("http://"+address(n.rest)+"/replica") == nil }

func (n *Node) serves() error {
	if n.Leads() || n.Follows() {
		return nil
	}
	return errors.New(n.name + " does not serve")
}

func (n *Node) log() string {
	b, err := os.ReadFile(filepath.Join(n.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-2000):]))
}

// Leader gives the node that leads; nil while none does.
func (e *Elected) Leader() *Node {
	for _, n := range e.Nodes {
		if n.Leads() {
			return n
		}
	}
	return nil
}

// Paused has Patroni elect nobody, whatever happens, until it is told
// otherwise.
func (e *Elected) Paused(paused bool) error {
	return e.tell("PATCH", "/config", object{"pause": paused})
}

// Hand has the leader hand over to a standby that has everything, as for
// maintenance.
func (e *Elected) Hand(from *Node) error {
	return e.tell("POST", "/switchover", object{"leader": from.name})
}

func (e *Elected) tell(method, path string, what object) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	var last error
	for _, n := range e.Nodes {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		r, err := http.NewRequestWithContext(ctx, method, "http://"+address(n.rest)+path, bytes.NewReader(body))
		if err != nil {
			cancel()
			return err
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			cancel()
			last = err
			continue
		}
		said, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		res.Body.Close()
		cancel()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("to %s %s Patroni says: %d %s", method, path, res.StatusCode, said)
		}
		return nil
	}
	return last
}

// DSN is the address of a database for a role, on whichever node leads.
func (e *Elected) DSN(database, role string) string {
	hosts := make([]string, len(e.Nodes))
	for i, n := range e.Nodes {
		hosts[i] = address(n.port)
	}
	q := url.Values{"sslmode": {"disable"}, "target_session_attrs": {"read-write"}, "connect_timeout": {"2"}}
	return "postgres://" + role + "@" + strings.Join(hosts, ",") + "/" + database + "?" + q.Encode()
}

// Create makes an empty database that belongs to the role haat.
func (e *Elected) Create(name string) error { return e.exec(`CREATE DATABASE ` + name + ` OWNER haat`) }

func (e *Elected) exec(text string) error {
	return until(20*time.Second, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, err := pgx.Connect(ctx, e.DSN("postgres", "postgres"))
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		_, err = c.Exec(ctx, text)
		return err
	})
}

// Close ends all of it and removes its folders.
func (e *Elected) Close() error {
	for _, n := range e.Nodes {
		_ = n.runs.kill()
	}
	_ = e.etcd.kill()
	return os.RemoveAll(e.dir)
}

type object = map[string]any

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all of them are known, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// answers tells whether a page answers 200.
func answers(page string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", page, res.StatusCode)
	}
	return nil
}

// until tries until fn succeeds, and gives its last error if it does not in
// time.
func until(within time.Duration, fn func() error) error {
	end := time.Now().Add(within)
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
		err := fn()
		if err == nil || time.Now().After(end) {
			tick.Stop()
			return err
		}
	}
}
