package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"haat/internal/event"
	"haat/internal/meter"
)

// KafkaTopic is the topic that events go through with --kafka.
type KafkaTopic struct {
	Topic      string        `default:"haat.events" env:"HAAT_KAFKA_TOPIC" help:"With --kafka, the topic. It is made if there is none."`
	Partitions int           `default:"24" env:"HAAT_KAFKA_PARTITIONS" help:"Partitions that the topic must have: so many processes can deliver at once."`
	Retention  time.Duration `default:"168h" env:"HAAT_KAFKA_RETENTION" help:"How long the topic must keep events."`
}

// KafkaAccess is how brokers let this process in.
type KafkaAccess struct {
	TLS       bool   `env:"HAAT_KAFKA_TLS" help:"Speak TLS with the brokers, whose certificates must hold." name:"tls"`
	CA        string `env:"HAAT_KAFKA_CA" help:"File of the certificates, PEM, that have signed the brokers'; with it TLS is spoken. Default: those that the system trusts." name:"ca" type:"path"`
	User      string `env:"HAAT_KAFKA_USER" help:"User at the brokers. Default: nobody signs in."`
	Password  string `env:"HAAT_KAFKA_PASSWORD" help:"Password at the brokers." secret:""`
	Mechanism string `default:"SCRAM-SHA-512" env:"HAAT_KAFKA_MECHANISM" help:"How the user signs in: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN, the last over TLS only."`
}

// access reads what is needed to come in.
func (k KafkaAccess) access() (a event.Access, err error) {
	a = event.Access{User: k.User, Password: k.Password, Mechanism: k.Mechanism}
	if !k.TLS && k.CA == "" {
		return a, nil
	}
	if a.TLS, err = trusting(k.CA); err != nil {
		return a, fmt.Errorf("--kafka-ca: %w", err)
	}
	return a, nil
}

// trusting gives TLS that trusts who is in a file, or whom the system trusts.
func trusting(file string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return c, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return c, nil
}

func (c *Config) finishKafka() error {
	var brokers []string
	for broker := range strings.SplitSeq(c.Kafka, ",") {
		if broker = strings.TrimSpace(broker); broker == "" {
			continue
		}
		if host, _, err := net.SplitHostPort(broker); err != nil || host == "" {
			return fmt.Errorf("--kafka %q: give host:port of some brokers, with commas between", c.Kafka)
		}
		brokers = append(brokers, broker)
	}
	c.Kafka = strings.Join(brokers, ",")
	if c.KafkaTopic.Topic == "" || strings.ContainsAny(c.KafkaTopic.Topic, " /:,") {
		return fmt.Errorf("--kafka-topic %q: not the name of a topic", c.KafkaTopic.Topic)
	}
	if c.KafkaTopic.Partitions < 1 || c.KafkaTopic.Partitions > 10_000 {
		return fmt.Errorf("--kafka-partitions %d: between 1 and 10000", c.KafkaTopic.Partitions)
	}
	if c.KafkaTopic.Retention < time.Hour {
		return fmt.Errorf("--kafka-retention %v: an hour at least", c.KafkaTopic.Retention)
	}
	k := c.KafkaAccess
	switch {
	case !slices.Contains(event.Mechanisms, k.Mechanism):
		return fmt.Errorf("--kafka-mechanism %q: take one of %s", k.Mechanism, strings.Join(event.Mechanisms, ", "))
	case k.User == "" && k.Password != "":
		return errors.New("--kafka-password: whose is it? Give --kafka-user")
	case k.User != "" && k.Mechanism == "PLAIN" && !k.TLS && k.CA == "":
		return errors.New("--kafka-mechanism PLAIN: without --kafka-tls everybody on the way reads the password")
	}
	if c.Kafka != "" {
		if _, err := k.access(); err != nil {
			return err
		}
	}
	return nil
}

// openCarrier chooses the way on which events come to those who deliver them.
func (a *App) openCarrier(ctx context.Context) (err error) {
	if a.cfg.Kafka == "" {
		a.carrier = event.Local{Bus: a.bus}
		return nil
	}
	topic := a.cfg.KafkaTopic
	access, err := a.cfg.KafkaAccess.access()
	if err != nil {
		return err
	}
	a.kafka, err = event.OverKafka(ctx, a.fleet, a.bus, event.KafkaOptions{
		Brokers: strings.Split(a.cfg.Kafka, ","), Topic: topic.Topic, Partitions: topic.Partitions, Retention: topic.Retention, Instance: a.member.Self().ID, Access: access, Restart: a.restart(),
		Epoch: func(ctx context.Context) (int64, error) { return a.member.Epoch(ctx, "events of "+topic.Topic) },
	}, a.log)
	if err != nil {
		return fmt.Errorf("--kafka: %w", err)
	}
	a.carrier = a.kafka
	s := a.kafka.Stats()
	a.meter.Counter("haat_events_published_total", "Events that Kafka has acknowledged.", func() float64 { return float64(s.Published.Load()) })
	a.meter.Counter("haat_events_publish_failures_total", "Tries to publish events that failed; they are tried again.", func() float64 { return float64(s.Failed.Load()) })
	a.meter.Counter("haat_events_arrived_total", "Records that came from the topic, those that repeat others included.", func() float64 { return float64(s.Arrived.Load()) })
	a.meter.Counter("haat_events_refused_total", "Records of the topic that could not be understood.", func() float64 { return float64(s.Refused.Load()) })
	a.meter.Counters("haat_events_remedies_total", "What was tried about partitions that do not come on, by remedy.", []string{"remedy"}, func(put func(float64, ...string)) {
		for remedy, n := range a.kafka.Remedied() {
			put(float64(n), remedy)
		}
	})
	a.meter.Gauges("haat_relay_oldest_seconds", "Age of the oldest event of a shard that is not published yet.", []string{"shard"}, func(put func(float64, ...string)) {
		for _, r := range a.kafka.Relays() {
			put(r.Age().Seconds(), r.Shard)
		}
	})
	a.meter.Gauges("haat_partition_lag", "Events of a partition that are not handled yet.", []string{"partition"}, func(put func(float64, ...string)) {
		all, _ := a.kafka.Partitions()
		for _, p := range all {
			put(float64(p.Waiting()), fmt.Sprint(p.Partition))
		}
	})
	a.meter.Gauges("haat_partition_oldest_seconds", "Age of the oldest event of a partition that this process has not handled yet.", []string{"partition"}, func(put func(float64, ...string)) {
		all, _ := a.kafka.Partitions()
		for _, p := range all {
			age := 0.0
			if !p.Oldest.IsZero() {
				age = time.Since(p.Oldest).Seconds()
			}
			if p.Here {
				put(age, fmt.Sprint(p.Partition))
			}
		}
	})
	a.meter.Gauges("haat_partition_stuck", "1 for a partition that does not come on, and why.", []string{"partition", "why"}, func(put func(float64, ...string)) {
		all, _ := a.kafka.Partitions()
		for _, p := range all {
			if p.Stuck != "" {
				put(1, fmt.Sprint(p.Partition), p.Stuck)
			}
		}
	})
	a.meter.Gauges("haat_canary_seconds", "How long the last canary of a partition took until it was settled, at the process that sends them.", []string{"partition"}, func(put func(float64, ...string)) {
		all, _ := a.kafka.Partitions()
		for _, p := range all {
			if p.Canary > 0 {
				put(p.Canary.Seconds(), fmt.Sprint(p.Partition))
			}
		}
	})
	a.meter.Gauges("haat_canary_waiting_seconds", "How long the canary of a partition has been on its way.", []string{"partition"}, func(put func(float64, ...string)) {
		all, _ := a.kafka.Partitions()
		for _, p := range all {
			if !p.CanarySent.IsZero() {
				put(time.Since(p.CanarySent).Seconds(), fmt.Sprint(p.Partition))
			}
		}
	})
	a.meter.Gauge("haat_topic_unwatched_seconds", "How long ago the partitions were looked at.", func() float64 {
		_, at := a.kafka.Partitions()
		if at.IsZero() {
			at = a.started
		}
		return time.Since(at).Seconds()
	})
	return nil
}

// endsWithin is how long a process that ends to be started again may take about
// it. A test does not wait that long.
var endsWithin = 45 * time.Second

// restart gives what ends this process, with an error, so that whoever keeps it
// starts it again; nil if it answers requests, which must go on.
func (a *App) restart() func(why string) {
	if a.cfg.does(roleWeb) || a.cfg.does(roleAPI) {
		return nil
	}
	return func(why string) {
		// What hangs may hang on, and then nothing waits for it.
		end := time.AfterFunc(endsWithin, func() {
			a.log.Error("this process ends with something still under way", "why", why, "incidents", a.incidents.Save())
			a.exit(1)
		})
		if !a.hanging.CompareAndSwap(nil, end) {
			end.Stop() // it ends already
			return
		}
		a.ended <- errors.New(why)
	}
}

// publishesWithin is how long an event may wait to be published before it is
// said.
const publishesWithin = 5 * time.Second

// watchedWithin is how long the partitions may go unseen before it is said.
const watchedWithin = 8 * time.Second

// watchTopic tells of events that do not come to the topic, of partitions that
// nobody comes on with, and of records that are no events.
func (a *App) watchTopic(context.Context) error {
	if a.kafka == nil {
		return nil
	}
	var unfit, late, refused, stuck, unseen []meter.Sighting
	partitions, at := a.kafka.Partitions()
	if at.IsZero() {
		at = a.started
	}
	if time.Since(at) >= watchedWithin {
		unseen = append(unseen, meter.Sighting{Subject: a.cfg.KafkaTopic.Topic, Since: at, Detail: "Kafka has not said how far events were handled: " + a.kafka.Trouble() + "."})
	} else {
		for _, p := range partitions {
			if p.Stuck != "" {
				stuck = append(stuck, meter.Sighting{Subject: fmt.Sprint("partition ", p.Partition), Since: p.Since, Detail: fmt.Sprintf("%s: %s. %d records wait.", p.Stuck, p.Detail, p.Lag())})
			}
		}
	}
	if m := a.kafka.Misfit(); m != nil {
		unfit = append(unfit, meter.Sighting{Subject: m.Topic, Detail: m.Error()})
	}
	for _, r := range a.kafka.Relays() {
		if r.Age() >= publishesWithin {
			why := r.Why
			if why == "" {
				why = "no broker has answered yet"
			}
			late = append(late, meter.Sighting{Subject: "shard " + r.Shard, Since: r.Oldest, Detail: fmt.Sprintf("Events of %d shops wait to be published: %s.", r.Shops, why)})
		}
	}
	if all := a.kafka.Refused(); len(all) > 0 {
		if last := all[len(all)-1]; time.Since(last.At) < time.Hour {
			refused = append(refused, meter.Sighting{Subject: a.cfg.KafkaTopic.Topic, Detail: fmt.Sprintf("%d records since the start; the last is at offset %d of partition %d: %s.", a.kafka.Stats().Refused.Load(), last.Offset, last.Partition, last.Why)})
		}
	}
	a.incidents.See(topicUnfit, unfit)
	a.incidents.See(relayStalled, late)
	a.incidents.See(recordRefused, refused)
	a.incidents.See(partitionStuck, stuck)
	a.incidents.See(topicUnseen, unseen)
	return nil
}

// topicFinding says how far the topic was handled.
func (a *App) topicFinding() string {
	all, _ := a.kafka.Partitions()
	lag, here := int64(0), 0
	for _, p := range all {
		if lag += p.Waiting(); p.Here {
			here++
		}
	}
	return fmt.Sprintf("%d events of %s wait; %d of its %d partitions are delivered here", lag, a.cfg.KafkaTopic.Topic, here, len(all))
}
