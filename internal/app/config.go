// Package app is the whole program as one object that a test can run: it
// takes a [Config], opens everything in order, serves, and closes everything
// in the opposite order.
package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"haat/internal/cache"
	"haat/internal/fleet"
	"haat/internal/media/bucket"
)

// Config is everything that can be set. Each field is a flag, an environment
// variable and a key of the JSON file named by --config.
type Config struct {
	Listen     string        `default:":8080" env:"HAAT_LISTEN" help:"Address that shops and merchants are served on."`
	OpsListen  string        `default:"127.0.0.1:9090" env:"HAAT_OPS_LISTEN" help:"Address that the operator is served on: console, metrics, health."`
	Data       string        `default:"./data" env:"HAAT_DATA" help:"Folder of everything that is kept." type:"path"`
	Control    string        `env:"HAAT_CONTROL" help:"PostgreSQL address of the control database: accounts, sessions, the directory of shops. Default: control.db in the data folder." secret:""`
	FirstShard string        `env:"HAAT_FIRST_SHARD" help:"PostgreSQL address of the first shard, at the first start. Default: embedded databases in the data folder." secret:""`
	URL        string        `env:"HAAT_URL" help:"Address of the platform as browsers know it; shops are <name>. below its host. Default: http://localhost:<listen port>." name:"url"`
	TLS        TLS           `embed:"" prefix:"tls-"`
	HSTS       time.Duration `default:"8760h" env:"HAAT_HSTS" help:"How long browsers must come over TLS only, once they have; 0s lets them come without. Told only when --url is https." name:"hsts"`
	Dev        bool          `env:"HAAT_DEV" help:"Print sign-in codes and show sent messages at /dev/messages."`
	Shards     int           `default:"1" env:"HAAT_SHARDS" help:"Embedded databases to spread shops over, chosen at the first start."`
	Region     string        `default:"IN" env:"HAAT_REGION" help:"Country whose national phone numbers are understood (ISO 3166)."`
	LogLevel   string        `default:"info" enum:"debug,info,warn,error" env:"HAAT_LOG_LEVEL" help:"Least level that is logged."`

	Media      string `env:"HAAT_MEDIA" help:"Where pictures are kept: files, in the data folder, or s3://bucket/prefix?endpoint=https://host&region=name. Default: where they are already, files at first."`
	MediaCache Size   `default:"4GiB" env:"HAAT_MEDIA_CACHE" help:"Disk for pictures of a bucket that were looked at last."`
	S3         S3     `embed:"" prefix:"s3-"`

	Roles     string        `default:"web,api,worker,relay" env:"HAAT_ROLES" help:"What this process does: web (pages), api, worker (background work), relay (delivers events)."`
	Advertise string        `env:"HAAT_ADVERTISE" help:"host:port under which other processes reach this one."`
	DrainWait time.Duration `default:"0s" env:"HAAT_DRAIN_WAIT" help:"How long to go on serving after SIGTERM, /readyz being 503: until every load balancer has seen it."`
	Lease     time.Duration `default:"8s" env:"HAAT_LEASE" help:"How long a process may be silent before others take over what it does alone."`

	Kafka       string      `env:"HAAT_KAFKA" help:"Kafka brokers, as host:port with commas between: events go through a topic, and all processes share in delivering them. Default: whoever holds a shard's lease delivers its events."`
	KafkaTopic  KafkaTopic  `embed:"" prefix:"kafka-"`
	KafkaAccess KafkaAccess `embed:"" prefix:"kafka-"`

	RedisCA string `env:"HAAT_REDIS_CA" help:"File of the certificates, PEM, that have signed that of the Redis at rediss://. Default: those that the system trusts." name:"redis-ca" type:"path"`
	Redis   string `env:"HAAT_REDIS" help:"Redis that processes share their pages through, as redis://user:password@host:port/0: one that has just started need not make again what others have made. Default: each makes its own." secret:""`

	WebhookInside string `env:"HAAT_WEBHOOK_INSIDE" help:"Hosts of a private network that webhooks may call, each as name=address, with commas between. Default: none, they call the public internet alone."`

	Front     bool          `default:"true" negatable:"" env:"HAAT_FRONT" help:"Answer requests for kept pages before net/http has seen them."`
	SharedFor time.Duration `default:"0s" env:"HAAT_SHARED_FOR" help:"How long a CDN in front may keep a page without asking; long only if it is purged by Surrogate-Key."`

	Memory         Size `env:"HAAT_MEMORY" help:"Memory to keep within, such as 512MiB; everything that grows takes its share of it. Default: nine tenths of the control group's, else half of the machine's."`
	MinFree        Size `default:"256MiB" env:"HAAT_MIN_FREE" help:"Room on the disk that is kept for orders: below it, new pictures and catalogues are refused, and no backup is made."`
	MaxConnections int  `default:"0" env:"HAAT_MAX_CONNECTIONS" help:"Open connections of shoppers and merchants; 0 takes what fits into the memory."`
	MaxStreams     int  `default:"50" env:"HAAT_MAX_STREAMS" help:"Live screens of one shop."`
	Budgets        bool `default:"true" negatable:"" env:"HAAT_BUDGETS" help:"Give each shop its share of its shard, when others want theirs."`

	MaxPerIP     int  `default:"1000" env:"HAAT_MAX_PER_IP" help:"Carts and orders taken from one IP address a minute." name:"max-per-ip"`
	MaxPerPerson int  `default:"600" env:"HAAT_MAX_PER_PERSON" help:"Carts and orders taken from one shopper's session or phone a minute."`
	TrustProxy   bool `env:"HAAT_TRUST_PROXY" help:"Take a shopper's IP address from X-Forwarded-For: only behind a proxy that sets it."`
	Codes        struct {
		PerAddress int `default:"5" env:"HAAT_CODES_PER_ADDRESS" help:"Sign-in codes for one phone or e-mail in 15 minutes."`
		PerIP      int `default:"20" env:"HAAT_CODES_PER_IP" help:"Sign-in codes for one IP address in 15 minutes."`
	} `embed:"" prefix:"codes-"`

	SMTP struct {
		Host         string `env:"HAAT_SMTP_HOST" help:"Mail server; without one, e-mails are only kept in the outbox."`
		Port         int    `default:"587" env:"HAAT_SMTP_PORT" help:"Port of the mail server."`
		User         string `env:"HAAT_SMTP_USER" help:"User at the mail server."`
		Password     string `env:"HAAT_SMTP_PASSWORD" help:"Password at the mail server." secret:""`
		PasswordFile string `env:"HAAT_SMTP_PASSWORD_FILE" help:"File that holds the password." type:"path"`
		From         string `default:"haat@localhost" env:"HAAT_SMTP_FROM" help:"Sender of e-mails."`
	} `embed:"" prefix:"smtp-"`

	Gateway struct {
		URL       string `env:"HAAT_GATEWAY_URL" help:"HTTP gateway that takes SMS and WhatsApp messages as JSON." name:"url"`
		Token     string `env:"HAAT_GATEWAY_TOKEN" help:"Bearer token at the gateway." secret:""`
		TokenFile string `env:"HAAT_GATEWAY_TOKEN_FILE" help:"File that holds the token." type:"path"`
	} `embed:"" prefix:"gateway-"`
}

// TLS is how the platform speaks TLS itself.
type TLS struct {
	Cert     string `env:"HAAT_TLS_CERT" help:"File of the certificate and its chain, PEM: --tls-listen then speaks TLS. It is read again when it changes." type:"path"`
	Key      string `env:"HAAT_TLS_KEY" help:"File of the certificate's key, PEM." type:"path"`
	Listen   string `default:":8443" env:"HAAT_TLS_LISTEN" help:"Address for TLS, HTTP/1.1 and HTTP/2."`
	Redirect bool   `default:"true" negatable:"" env:"HAAT_TLS_REDIRECT" help:"With TLS, send whoever comes to --listen there; if not, serve both."`
}

// On reports whether there is a certificate.
func (t TLS) On() bool { return t.Cert != "" }

// inside gives the hosts of a private network that webhooks may call.
func (c *Config) inside() (map[string]netip.Addr, error) {
	out := map[string]netip.Addr{}
	for pair := range strings.SplitSeq(c.WebhookInside, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, text, _ := strings.Cut(pair, "=")
		at, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil || !strings.Contains(name, ".") {
			return nil, fmt.Errorf("--webhook-inside %q: give each as name=address, such as erp.example.com=10.0.0.5", pair)
		}
		out[strings.ToLower(strings.TrimSpace(name))] = at
	}
	return out, nil
}

// S3 is how a bucket lets us in.
type S3 struct {
	AccessKey     string `env:"AWS_ACCESS_KEY_ID" help:"Access key of the bucket." secret:""`
	SecretKey     string `env:"AWS_SECRET_ACCESS_KEY" help:"Secret key of the bucket." secret:""`
	SecretKeyFile string `env:"HAAT_S3_SECRET_KEY_FILE" help:"File that holds the secret key." type:"path"`
	SessionToken  string `env:"AWS_SESSION_TOKEN" help:"Token of temporary keys." secret:""`
}

// Finish fills in what depends on other values and refuses what cannot work,
// naming the setting.
func (c *Config) Finish() error {
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen %q: %w", c.Listen, err)
	}
	if _, _, err := net.SplitHostPort(c.OpsListen); err != nil {
		return fmt.Errorf("--ops-listen %q: %w", c.OpsListen, err)
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return errors.New("--tls-cert and --tls-key: give both or neither")
	}
	scheme := "http"
	if c.TLS.On() {
		scheme = "https"
		if _, port, err = net.SplitHostPort(c.TLS.Listen); err != nil {
			return fmt.Errorf("--tls-listen %q: %w", c.TLS.Listen, err)
		}
	}
	if c.URL == "" {
		c.URL = scheme + "://localhost:" + port
	}
	c.URL = strings.TrimRight(c.URL, "/")
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("--url %q: give it as http://host or https://host, with a port if it needs one", c.URL)
	}
	if c.TLS.On() && u.Scheme != "https" {
		return fmt.Errorf("--url %q: with --tls-cert, browsers must be sent to https", c.URL)
	}
	if c.HSTS < 0 {
		return fmt.Errorf("--hsts %v: zero or more", c.HSTS)
	}
	if net.ParseIP(u.Hostname()) != nil {
		return fmt.Errorf("--url %q: shops live below the host's name, so it must be a name, not an IP address", c.URL)
	}
	if err := c.finishProcess(); err != nil {
		return err
	}
	if _, err := c.inside(); err != nil {
		return err
	}
	if err := c.finishKafka(); err != nil {
		return err
	}
	if c.Redis != "" {
		if err := cache.CheckSecond(c.Redis); err != nil {
			return fmt.Errorf("--redis: %w", err)
		}
		if c.RedisCA != "" && !strings.HasPrefix(c.Redis, "rediss://") {
			return errors.New("--redis-ca: --redis speaks no TLS; write it as rediss://")
		}
		if _, err := trusting(c.RedisCA); err != nil {
			return fmt.Errorf("--redis-ca: %w", err)
		}
	}
	if c.SharedFor < 0 {
		return fmt.Errorf("--shared-for %v: zero or more", c.SharedFor)
	}
	if c.Shards < 1 || c.Shards > 64 {
		return fmt.Errorf("--shards %d: between 1 and 64", c.Shards)
	}
	for flag, dsn := range map[string]string{"control": c.Control, "first-shard": c.FirstShard} {
		if dsn != "" && !fleet.IsPostgres(dsn) {
			return fmt.Errorf("--%s: give it as postgres://user:password@host/database", flag)
		}
	}
	if c.MaxPerIP < 1 || c.MaxPerPerson < 1 || c.Codes.PerAddress < 1 || c.Codes.PerIP < 1 {
		return fmt.Errorf("--max-per-ip, --max-per-person, --codes-per-address and --codes-per-ip must be at least 1")
	}
	if c.Memory == 0 {
		c.Memory = machineMemory("/")
	}
	if c.Memory < leastMemory {
		return fmt.Errorf("--memory %v: at least %v", c.Memory, Size(leastMemory))
	}
	if c.MaxConnections < 0 || c.MaxStreams < 1 {
		return fmt.Errorf("--max-connections must not be negative, and --max-streams must be at least 1")
	}
	if len(c.Region) != 2 {
		return fmt.Errorf("--region %q: give a country of two letters, such as IN", c.Region)
	}
	c.Region = strings.ToUpper(c.Region)
	if _, err := mail.ParseAddress(c.SMTP.From); err != nil {
		return fmt.Errorf("--smtp-from %q: not an e-mail address", c.SMTP.From)
	}
	if c.Gateway.URL != "" {
		if g, err := url.Parse(c.Gateway.URL); err != nil || g.Scheme != "http" && g.Scheme != "https" || g.Host == "" {
			return fmt.Errorf("--gateway-url %q: not an HTTP address", c.Gateway.URL)
		}
	}
	if c.MediaCache < leastCache {
		return fmt.Errorf("--media-cache %v: at least %v", c.MediaCache, Size(leastCache))
	}
	if bucket.Is(c.Media) {
		at, err := bucket.Parse(c.Media)
		if err != nil {
			return fmt.Errorf("--media: %w", err)
		}
		c.Media = at.String()
	} else if c.Media != "" && c.Media != inFiles {
		return fmt.Errorf("--media: give files, or s3://bucket/prefix?endpoint=https://host&region=name")
	}
	for _, s := range []struct {
		flag, file string
		value      *string
	}{
		{"smtp-password", c.SMTP.PasswordFile, &c.SMTP.Password},
		{"gateway-token", c.Gateway.TokenFile, &c.Gateway.Token},
		{"s3-secret-key", c.S3.SecretKeyFile, &c.S3.SecretKey},
	} {
		if s.file == "" {
			continue
		}
		if *s.value != "" {
			return fmt.Errorf("--%s and --%s-file are both given: give one", s.flag, s.flag)
		}
		b, err := os.ReadFile(s.file)
		if err != nil {
			return fmt.Errorf("--%s-file: %w", s.flag, err)
		}
		*s.value = strings.TrimSpace(string(b))
	}
	return nil
}

// fileSettings are those of the file that --config names, by flag.
type fileSettings map[string]any

// readSettings reads a JSON object whose keys are the names of flags.
func readSettings(r io.Reader) (kong.Resolver, error) {
	var read map[string]any
	if err := json.NewDecoder(r).Decode(&read); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	f := fileSettings{}
	for key, value := range read {
		f[strings.ReplaceAll(key, "_", "-")] = value
	}
	return f, nil
}

// Resolve implements kong.Resolver.
func (f fileSettings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	return f[flag.Name], nil
}

// Validate refuses a key that is no setting of any command.
func (f fileSettings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for key := range f {
		if !known[key] {
			return fmt.Errorf("--config: there is no setting %q", key)
		}
	}
	return err
}

// Domain is the platform's host name, below which shops have theirs.
func (c *Config) Domain() string {
	u, _ := url.Parse(c.URL)
	return strings.ToLower(u.Hostname())
}

// HTTPS reports whether browsers reach the platform over TLS.
func (c *Config) HTTPS() bool { return strings.HasPrefix(c.URL, "https:") }

// strict is for how long browsers are told to come over TLS only.
func (c *Config) strict() time.Duration {
	if c.HTTPS() {
		return c.HSTS
	}
	return 0
}

// ShopURL is the origin of a shop.
func (c *Config) ShopURL(slug string) string {
	scheme, host, _ := strings.Cut(c.URL, "://")
	return scheme + "://" + slug + "." + host
}

// lockData makes the data folder and keeps other processes out of it until
// the file is closed, which the end of the process does too.
func lockData(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &InUse{dir}
	}
	return f, nil
}

// InUse says that another process has the data folder open.
type InUse struct{ Dir string }

func (e *InUse) Error() string {
	return fmt.Sprintf("the data folder %s is in use by another haat process", e.Dir)
}
