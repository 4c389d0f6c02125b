// Package broker runs Kafka brokers of one's own, for tests and benchmarks: one
// inside the process, and a real one of one node.
package broker

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Version is what scripts/install-test-deps gets.
const Version = "4.1.1"

// Fake starts a broker inside this process, on a free port. Close it.
func Fake() (*kfake.Cluster, error) {
	return kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second))
}

// Kafka is a real broker.
type Kafka struct {
	Addr  string
	Far   string // see NewKafkaFrom
	Safe  string // see NewKafkaFor
	dir   string
	cmd   *exec.Cmd
	ended chan struct{}
}

const properties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s%[4]s
advertised.listeners=PLAINTEXT://%[1]s%[5]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,SAFE:SASL_SSL
log.dirs=%[3]s/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
`

// NewKafka starts a broker of one node, which is its own controller and keeps
// its files in dir. Kill it; it ends with this process at the latest.
func NewKafka(dir string) (*Kafka, error) { return NewKafkaFrom(dir, "") }

// NewKafkaFrom starts one that says to those who come to its address Far that
// they are to come to another: to a proxy, say, that leads to Far.
func NewKafkaFrom(dir, proxy string) (*Kafka, error) { return newKafka(dir, proxy, nil) }

// Guard is who may come to a broker's address Safe, and the certificate that it
// shows there.
type Guard struct{ User, Password, Cert, Key string } // files, PEM

// NewKafkaFor starts one that has an address Safe, where TLS is spoken and nobody
// comes in but the guard's user, by SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN.
func NewKafkaFor(dir string, g Guard) (*Kafka, error) { return newKafka(dir, "", &g) }

// guarded are the properties of the address Safe. A keystore of PEM is one file.
const guarded = `sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.safe.ssl.keystore.type=PEM
listener.name.safe.ssl.keystore.location=%[1]s
listener.name.safe.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.safe.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.safe.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[2]s="%[3]s";
`

func newKafka(dir, proxy string, g *Guard) (*Kafka, error) {
	k := &Kafka{dir: dir}
	var controller string
	for _, at := range []*string{&k.Addr, &k.Far, &k.Safe, &controller} {
		var err error
		if *at, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	more, told := "", ""
	if proxy != "" {
		more, told = ",FAR://"+k.Far, ",FAR://"+proxy
	}
	var also string
	args := []string{"format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", filepath.Join(k.dir, "server.properties")}
	if g != nil {
		more, told = ",SAFE://"+k.Safe, ",SAFE://"+k.Safe
		store := filepath.Join(k.dir, "safe.pem")
		key, err := os.ReadFile(g.Key)
		cert, more := os.ReadFile(g.Cert)
		if err := errors.Join(err, more, os.WriteFile(store, append(key, cert...), 0o600)); err != nil {
			return nil, err
		}
		also = fmt.Sprintf(guarded, store, g.User, g.Password)
		for _, how := range []string{"SCRAM-SHA-512", "SCRAM-SHA-256"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", how, g.User, g.Password))
		}
	}
	if err := os.WriteFile(filepath.Join(k.dir, "server.properties"), fmt.Appendf([]byte(also), properties, k.Addr, controller, k.dir, more, told), 0o600); err != nil {
		return nil, err
	}
	format, err := k.java("kafka.tools.StorageTool", args...)
	if err == nil {
		var out []byte
		if out, err = format.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("prepare Kafka: %w", err)
	}
	return k, k.Start()
}

// java makes a command that runs a class of Kafka's.
func (k *Kafka) java(class string, args ...string) (*exec.Cmd, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	libs := filepath.Join(cache, "haat-test", "kafka-"+Version)
	if found, _ := filepath.Glob(filepath.Join(libs, "kafka_2.13-*.jar")); len(found) == 0 {
		return nil, errors.New("no Kafka in " + libs + ": run scripts/install-test-deps")
	}
	all := append([]string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", filepath.Join(libs, "*"), class}, args...)
	cmd := exec.Command("java", all...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// Start starts the broker, again after Kill, and waits until it answers.
func (k *Kafka) Start() error {
	cmd, err := k.java("kafka.Kafka", filepath.Join(k.dir, "server.properties"))
	if err != nil {
		return err
	}
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	k.cmd, k.ended = cmd, ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(2 * time.Minute); ; {
		if conn, err := net.DialTimeout("tcp", k.Addr, time.Second); err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("Kafka ended: %s", said)
		case <-late:
			k.Kill()
			return fmt.Errorf("Kafka does not answer: %s", said)
		case <-tick.C:
		}
	}
}

// Kill ends the broker at once, and waits until it is gone.
func (k *Kafka) Kill() {
	if k.cmd != nil && k.cmd.Process != nil {
		_ = k.cmd.Process.Kill()
		<-k.ended
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// output keeps the beginning of what is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.b.Len() < 8192 {
		o.b.Write(b)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
