// Package eventtest gives tests brokers: one that runs in the process, and a
// real Kafka of one node.
package eventtest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"haat/internal/event/broker"
)

// Fake starts a broker inside this process.
func Fake(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := broker.Fake()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Kafka is a real broker.
type Kafka struct{ *broker.Kafka }

// NewKafka starts a broker of one node, which is its own controller. It ends
// with the test.
func NewKafka(t testing.TB) *Kafka {
	t.Helper()
	k, err := broker.NewKafka(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Kill)
	return &Kafka{k}
}

// Start starts the broker, again after Kill, and waits until it answers.
func (k *Kafka) Start(t testing.TB) {
	t.Helper()
	if err := k.Kafka.Start(); err != nil {
		t.Fatal(err)
	}
}
