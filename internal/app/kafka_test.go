package app

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"haat/internal/event/eventtest"
	"haat/internal/meter"
)

func TestKafkaSettings(t *testing.T) {
	for flag, change := range map[string]func(*Config){
		"--kafka \"broker\"":      func(c *Config) { c.Kafka = "broker" },
		"--kafka \"b:1,:9\"":      func(c *Config) { c.Kafka = "b:1,:9" },
		"--kafka-topic":           func(c *Config) { c.KafkaTopic.Topic = "a topic" },
		"--kafka-partitions 0":    func(c *Config) { c.KafkaTopic.Partitions = 0 },
		"--kafka-retention 1m0s:": func(c *Config) { c.KafkaTopic.Retention = time.Minute },
	} {
		cfg := settings(t, t.TempDir())
		change(&cfg)
		if err := cfg.Finish(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// A shop whose events go through a topic is found by its search; when the
// brokers are gone, selling goes on, and the register says what waits.
func TestAPlatformOverKafka(t *testing.T) {
	broker := eventtest.Fake(t)
	s := open(t, func(c *Config) { c.Kafka = strings.Join(broker.ListenAddrs(), ",") })
	x := s.shop("Kaf")
	s.until("everything was published and handled", func() bool {
		all, _ := s.app.kafka.Partitions()
		lag := int64(0)
		for _, p := range all {
			lag += p.Waiting()
		}
		return len(all) == s.app.cfg.KafkaTopic.Partitions && lag == 0 && s.app.kafka.Stats().Published.Load() > 5
	})
	s.until("the product is found", func() bool {
		return s.get(x.host+"/api/v1/search?q=bowl", "").want(200).count("items") > 0
	})
	findings, err := s.app.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if !f.OK && (f.Name == relayStalled || f.Name == partitionStuck || f.Name == topicUnseen || f.Name == topicUnfit) {
			t.Errorf("doctor: %+v", f)
		}
	}
	operator := cookieOf(s.post("ops.test/signin", "", url.Values{"token": {s.opsToken}}), "haat_operator")
	if page := s.send(call{method: "GET", url: "ops.test/partitions"}.with("Cookie", operator)).want(200); !strings.Contains(page.body, "Nothing waits in 24 partitions.") {
		t.Errorf("the console's page: %s", page.body)
	}
	broker.Close()
	x.order("cod")
	for _, name := range []string{relayStalled, topicUnseen} {
		tick, late := time.NewTicker(200*time.Millisecond), time.After(time.Minute)
		for len(openOf(s.app.incidents, name)) == 0 {
			select {
			case <-tick.C:
				s.app.lookNow(t.Context())
			case <-late:
				t.Fatalf("a minute after the brokers had gone, %s is not known", name)
			}
		}
		tick.Stop()
	}
	if i := slices.IndexFunc(s.app.incidents.Open(), func(i meter.Incident) bool { return i.Name == relayStalled }); i < 0 || !strings.Contains(s.app.incidents.Open()[i].Detail, "Events of 1 shops wait") {
		t.Errorf("open: %+v", s.app.incidents.Open())
	}
}

// The last remedy for a partition that stands still ends a process that only
// carries events, with an error; one that answers requests it never ends.
func TestWhoIsEndedToStartAgain(t *testing.T) {
	cfg := settings(t, t.TempDir())
	a, err := quietly(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.restart() != nil {
		t.Error("a process that serves pages is to be ended")
	}
	a.cfg.Roles = "worker,relay"
	restart := a.restart()
	if restart == nil {
		t.Fatal("nothing ends one that only carries events")
	}
	err = a.Serve(t.Context(), func() { restart("partition 3 stands still"); restart("it does still") })
	if err == nil || !strings.Contains(err.Error(), "partition 3 stands still") {
		t.Errorf("it ended with %v", err)
	}
}

// A handler that does not come back does not keep the process from ending.
func TestWhoHangsIsEndedToo(t *testing.T) {
	was := endsWithin
	endsWithin = 200 * time.Millisecond
	defer func() { endsWithin = was }()
	a, err := quietly(t.Context(), settings(t, t.TempDir()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	hangs, ended := make(chan struct{}), make(chan int, 1)
	a.exit = func(code int) { ended <- code; close(hangs) } // as the process's end would
	a.workers.Go(func() { <-hangs })
	a.cfg.Roles = "worker,relay"
	restart := a.restart()
	if err := a.Serve(t.Context(), func() { restart("partition 3 stands still") }); err == nil {
		t.Error("it ended without an error")
	}
	if err := a.Close(); err != nil { // which waits for what hangs
		t.Error(err)
	}
	select {
	case code := <-ended:
		if code == 0 {
			t.Error("it is not said that it failed")
		}
	default:
		t.Error("what hung was waited for")
	}
}
