// Package eventtest gives tests brokers: one that runs in the process, and a
// real Kafka of one node.
package eventtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaVersion is what scripts/install-test-deps gets.
const KafkaVersion = "4.1.1"

// Fake starts a broker inside this process.
func Fake(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Kafka is a real broker.
type Kafka struct {
	Addr string
	dir  string
	cmd  *exec.Cmd
}

const properties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=%[3]s/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
`

// NewKafka starts a broker of one node, which is its own controller. It ends
// with the test.
func NewKafka(t testing.TB) *Kafka {
	t.Helper()
	k := &Kafka{dir: t.TempDir(), Addr: freeAddress(t)}
	if err := os.WriteFile(filepath.Join(k.dir, "server.properties"), fmt.Appendf(nil, properties, k.Addr, freeAddress(t), k.dir), 0o600); err != nil {
		t.Fatal(err)
	}
	format, err := k.java("kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", filepath.Join(k.dir, "server.properties"))
	if err == nil {
		var out []byte
		if out, err = format.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		t.Fatalf("prepare Kafka: %v", err)
	}
	k.Start(t)
	t.Cleanup(k.Kill)
	return k
}

// java makes a command that runs a class of Kafka's.
func (k *Kafka) java(class string, args ...string) (*exec.Cmd, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	libs := filepath.Join(cache, "haat-test", "kafka-"+KafkaVersion)
	if found, _ := filepath.Glob(filepath.Join(libs, "kafka_2.13-*.jar")); len(found) == 0 {
		return nil, errors.New("no Kafka in " + libs + ": run scripts/install-test-deps")
	}
	all := append([]string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", filepath.Join(libs, "*"), class}, args...)
	cmd := exec.Command("java", all...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// Start starts the broker, again after Kill, and waits until it answers.
func (k *Kafka) Start(t testing.TB) {
	t.Helper()
	cmd, err := k.java("kafka.Kafka", filepath.Join(k.dir, "server.properties"))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	k.cmd = cmd
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(2 * time.Minute); ; {
		if conn, err := net.DialTimeout("tcp", k.Addr, time.Second); err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("Kafka ended: %v: %s", err, said.String())
		case <-late:
			t.Fatalf("Kafka does not answer: %s", said.String())
		case <-tick.C:
		}
	}
}

// Kill ends the broker at once.
func (k *Kafka) Kill() {
	if k.cmd != nil && k.cmd.Process != nil {
		_ = k.cmd.Process.Kill()
	}
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
