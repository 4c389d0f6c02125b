package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"haat/internal/event"
	"haat/internal/fault"
	"haat/internal/fleet"
)

const (
	heartbeat = 15 * time.Second
	streamFor = time.Hour // then the browser reconnects, where it was
)

// Stream is a response of server-sent events.
type Stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// OpenStream begins a response of server-sent events.
func OpenStream(w http.ResponseWriter) (*Stream, error) {
	s := &Stream{w, http.NewResponseController(w)}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return s, s.write("retry: 2000\n\n")
}

// Send sends one event. An empty id leaves the browser's position alone.
func (s *Stream) Send(id, name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("event: %s\ndata: %s\n\n", name, b)
	if id != "" {
		text = "id: " + id + "\n" + text
	}
	return s.write(text)
}

func (s *Stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(heartbeat)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}

// Live streams a shop's events to a screen, from where the screen says it was
// (Last-Event-ID, or ?after=), else from now on. each may send something of
// its own for an event, or nothing; nil sends the event itself.
func Live(w http.ResponseWriter, r *http.Request, bus *event.Bus, room *fleet.Room, stop <-chan struct{}, each func(*Stream, event.Envelope) error) error {
	after := int64(-1)
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fault.Invalid("/after", "%q is not the id of an event.", text)
		}
		after = n
	}
	leave, err := bus.Seat(room.Shop())
	if err != nil {
		return err
	}
	defer leave()
	s, err := OpenStream(w)
	if err != nil {
		return nil // gone already
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamFor)
	defer cancel()
	events, failed := make(chan event.Envelope), make(chan error, 1)
	go func() {
		failed <- bus.Follow(ctx, room, after, func(e event.Envelope) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		err = nil
		select {
		case <-ctx.Done():
			return nil
		case <-stop:
			return nil
		case <-failed:
			return nil
		case <-beat.C:
			err = s.write(": still here\n\n")
		case e := <-events:
			if each != nil {
				err = each(s, e)
			} else {
				err = s.Send(strconv.FormatInt(e.Seq, 10), e.Topic, map[string]any{
					"id": e.ID, "seq": e.Seq, "topic": e.Topic, "key": e.Key, "at": e.At, "data": e.Payload,
				})
			}
		}
		if err != nil {
			return nil // the screen has gone
		}
	}
}
