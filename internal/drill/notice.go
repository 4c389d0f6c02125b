package drill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"haat/internal/api"
	"haat/internal/meter"
)

// operator is who looks at a server's console.
func (s *server) operator(token string) *api.OperatorClient {
	return &api.OperatorClient{URL: "http://" + s.ops, Token: token}
}

// named waits until the server's own metrics show an incident of that name, for
// a little longer than is allowed, and notes how long after the fault that was.
// Reading metrics has nobody look: what is noticed is noticed unasked. The
// register must then say about in its subject or detail.
func (r *run) named(ctx context.Context, s *server, token, name, about string, fault time.Time) error {
	wait, cancel := context.WithDeadline(ctx, fault.Add(2*noticed))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		open, err := s.metric(wait, fmt.Sprintf("haat_incident_open{name=%q}", name))
		if err == nil && open > 0 {
			break
		}
		select {
		case <-tick.C:
		case <-wait.Done():
			r.Noticed = "no"
			r.saw(false, "no incident %s within %v", name, 2*noticed)
			return ctx.Err()
		}
	}
	took := time.Since(fault)
	r.Noticed = fmt.Sprintf("%v, %s", round(took), name)
	if took > noticed {
		r.saw(false, "noticed only after %v", round(took))
	}
	register, err := s.operator(token).Incidents(ctx)
	if err != nil {
		return err
	}
	var says []string
	for _, i := range append(register.Open, register.Past...) { // it may be over by now
		if i.Name == name && (i.Resolved == nil || i.Since.After(fault)) {
			says = append(says, incident(i))
			if strings.Contains(incident(i), about) {
				return nil
			}
		}
	}
	r.saw(false, "%s does not say %q: %s", name, about, strings.Join(says, "; "))
	return nil
}

func incident(i meter.Incident) string { return i.Subject + ": " + i.Detail }

// quiet waits until no incident is open, before anything is broken. Processes
// of a drill share no pictures, and show none.
func (s *server) quiet(ctx context.Context, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		register, err := s.operator(token).Incidents(ctx)
		if err != nil {
			return err
		}
		var open []string
		for _, i := range register.Open {
			if i.Name != "pictures-not-shared" {
				open = append(open, i.Name+" "+incident(i))
			}
		}
		if len(open) == 0 {
			return nil
		}
		if pause(ctx, 500*time.Millisecond) != nil {
			return fmt.Errorf("before anything is broken: %s", strings.Join(open, "; "))
		}
	}
}
