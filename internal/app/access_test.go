package app

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"haat/internal/cache/redis"
	"haat/internal/event/broker"
	"haat/internal/event/eventtest"
)

func TestAccessSettings(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Config){
		"--kafka-mechanism \"GSSAPI\"":       func(c *Config) { c.KafkaAccess.Mechanism = "GSSAPI" },
		"--kafka-password: whose":            func(c *Config) { c.KafkaAccess.Password = "x" },
		"--kafka-mechanism PLAIN: without":   func(c *Config) { c.KafkaAccess.User, c.KafkaAccess.Mechanism = "a", "PLAIN" },
		"--kafka-ca: open /nowhere":          func(c *Config) { c.Kafka, c.KafkaAccess.CA = "b:1", "/nowhere" },
		"--kafka-ca: " + empty + " has no c": func(c *Config) { c.Kafka, c.KafkaAccess.CA = "b:1", empty },
		"--redis-ca: " + empty + " has no c": func(c *Config) { c.Redis, c.RedisCA = "rediss://r", empty },
		"--redis-ca: --redis speaks no TLS":  func(c *Config) { c.Redis, c.RedisCA = "redis://r", empty },
	} {
		cfg := settings(t, t.TempDir())
		change(&cfg)
		if err := cfg.Finish(); err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// seen waits for an open incident that says something.
func (s *site) seen(name, says string) {
	s.until(name+" says "+says, func() bool {
		for _, i := range s.app.incidents.Open() {
			if i.Name == name && strings.Contains(i.Detail, says) {
				return true
			}
		}
		return false
	})
}

// Brokers that let nobody in but over TLS, with a user and a password, carry
// events by each way of signing in. With a wrong password, or a certificate that
// nobody trusts, the platform serves all the same, and an incident says what is
// wrong and with which flag it is mended.
func TestBrokersThatLetFewIn(t *testing.T) {
	cert, key := eventtest.Certificate(t)
	other, _ := eventtest.Certificate(t)
	k := eventtest.NewKafkaFor(t, broker.Guard{User: "haat", Password: "right", Cert: cert, Key: key})
	with := func(ca, password, mechanism string) *site {
		return open(t, func(c *Config) {
			c.Kafka, c.KafkaTopic.Topic = k.Safe, "haat."+mechanism
			c.KafkaAccess = KafkaAccess{CA: ca, User: "haat", Password: password, Mechanism: mechanism}
		})
	}
	for _, mechanism := range []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"} {
		t.Run(mechanism, func(t *testing.T) {
			s := with(cert, "right", mechanism)
			x := s.shop("Safe")
			s.until("the product is found", func() bool {
				return s.get(x.host+"/api/v1/search?q=bowl", "").want(200).count("items") > 0
			})
			if n := s.app.kafka.Stats().Published.Load(); n == 0 {
				t.Error("nothing went through the topic")
			}
		})
	}
	for name, c := range map[string]struct{ ca, password, says string }{
		"a wrong password":            {cert, "wrong", `the brokers refuse the user "haat" or the password: see --kafka-user`},
		"a certificate of a stranger": {other, "right", "nobody whom haat trusts has signed the brokers' certificate: give theirs with --kafka-ca"},
	} {
		t.Run(name, func(t *testing.T) {
			s := with(c.ca, c.password, "SCRAM-SHA-512")
			s.shop("Shut")
			s.seen(relayStalled, c.says)
			s.seen(topicUnseen, c.says)
		})
	}
}

// A Redis that speaks TLS and lets in one user is shared through; with a wrong
// password, or a certificate that nobody trusts, pages are served all the same,
// and the incident says what is wrong.
func TestARedisThatLetsFewIn(t *testing.T) {
	cert, key := eventtest.Certificate(t)
	other, _ := eventtest.Certificate(t)
	server, err := redis.StartFor(t.TempDir(), cert, key, "haat", "right")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	with := func(ca, password string) *site {
		u := url.URL{Scheme: "rediss", User: url.UserPassword("haat", password), Host: server.Safe, Path: "/0"}
		return open(t, func(c *Config) { c.Redis, c.RedisCA = u.String(), ca })
	}
	s := with(cert, "right")
	x := s.shop("Safe")
	s.until("Redis answers", func() bool { since, _ := s.app.second.Lost(); return since.IsZero() })
	s.get(x.host+"/products/"+x.has["product handle"], "").want(200)
	s.until("the page is in Redis", func() bool { return s.app.second.Stats().Writes.Load() > 0 })
	for says, s := range map[string]*site{
		"it refuses the user or the password in --redis":                                  with(cert, "wrong"),
		"nobody whom haat trusts has signed its certificate: give theirs with --redis-ca": with(other, "right"),
	} {
		s.shop("Shut")
		s.seen(cacheLost, says)
	}
}
