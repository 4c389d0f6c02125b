package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// visitors are connections that a process of its own opens: in the one that
// measures, what they cost would be measured too.
type visitors struct {
	addr, host, path string
	n                int
	rise             time.Duration
}

// witness is what such a process tells when it is ended.
type witness struct {
	Took  *hdrhistogram.Snapshot
	Bad   int64
	First string
}

// send starts visitors on the load's processor, which they leave to others.
func (b *bench) send(ctx context.Context, v visitors) (*process, error) {
	return start(ctx, loadCPU, []string{"GOMAXPROCS=1"}, "nice", "-n", "10", b.Program, "bench",
		"--visit", v.addr, "--visit", v.host, "--visit", v.path, "--crowd", fmt.Sprint(v.n), "--rise", v.rise.String())
}

// visit is the process: its connections stay until it is told to end.
func visit(ctx context.Context, o Options, out io.Writer) error {
	if len(o.Visit) != 3 {
		return fmt.Errorf("--visit: an address, a host and a path")
	}
	if _, err := raiseFiles(); err != nil {
		return err
	}
	p := newPeople(ctx, visitors{o.Visit[0], o.Visit[1], o.Visit[2], o.Crowd, o.Rise})
	p.come(o.Crowd, o.Rise)
	<-ctx.Done()
	p.leave()
	return json.NewEncoder(out).Encode(witness{p.took.Export(), p.bad, p.why})
}

// told ends the processes and puts together what they saw.
func told(all ...*process) (out seen, err error) {
	h := histogram()
	for _, p := range all {
		p.stop()
		var w witness
		if err := json.Unmarshal(p.said.Bytes(), &w); err != nil || w.Took == nil {
			return out, fmt.Errorf("the crowd said: %s", p.said)
		}
		h.Merge(hdrhistogram.Import(w.Took))
		if out.bad += w.Bad; out.first == "" {
			out.first = w.First
		}
	}
	out.n = h.TotalCount()
	out.p50, out.p99 = float64(h.ValueAtQuantile(50))/1e3, float64(h.ValueAtQuantile(99))/1e3
	return out, nil
}

// crowded waits until the server has so many connections, and gives how many
// it has.
func (s *server) crowded(ctx context.Context, n int, from *process) (float64, error) {
	late := time.After(time.Minute)
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		have, err := s.metric(ctx, "haat_connections")
		if err != nil || have >= float64(n) {
			return have, err
		}
		select {
		case <-t.C:
		case <-from.ended:
			return have, fmt.Errorf("the crowd ended: %s", from.said)
		case <-late:
			return have, nil // that some are missing is seen in the goals
		case <-ctx.Done():
			return have, ctx.Err()
		}
	}
}
