package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ControlMove is how far the move of the control database has come.
type ControlMove struct {
	Table   string  `json:"table,omitempty"` // being copied
	Rows    int64   `json:"rows"`            // copied so far
	Pass    int     `json:"pass"`            // 1 copies everything, later ones what has changed
	Paused  float64 `json:"paused_seconds"`  // how long sign-ups had to wait, once it is done
	Done    bool    `json:"done,omitempty"`
	Failure string  `json:"failure,omitempty"`
}

// ControlMover moves the control database.
type ControlMover interface {
	// MoveControl copies the control database to an empty PostgreSQL database
	// and goes on there, while everything is served.
	MoveControl(ctx context.Context, dsn string, tell func(ControlMove)) (ControlMove, error)
}

func controlRoutes(o ControlMover, handle func(string, func(http.ResponseWriter, *http.Request) (any, error))) {
	handle("POST /ops/v1/control/move", func(w http.ResponseWriter, r *http.Request) (any, error) {
		var in struct {
			DSN string `json:"dsn"`
		}
		if err := readJSON(r, &in); err != nil {
			return nil, err
		}
		c := http.NewResponseController(w)
		_ = c.SetReadDeadline(time.Time{})
		_ = c.SetWriteDeadline(time.Time{})
		enc, begun := json.NewEncoder(w), false
		last, err := o.MoveControl(r.Context(), in.DSN, func(m ControlMove) {
			begun = true
			_ = enc.Encode(m)
			_ = c.Flush()
		})
		if err != nil && begun {
			last.Failure, err = err.Error(), nil
		}
		last.Done = true
		return last, err
	})
}

// MoveControl implements Operator.
func (c *OperatorClient) MoveControl(ctx context.Context, dsn string, tell func(ControlMove)) (m ControlMove, err error) {
	res, err := c.post(ctx, "/ops/v1/control/move", map[string]string{"dsn": dsn})
	if err != nil {
		return m, err
	}
	defer res.Body.Close()
	for dec := json.NewDecoder(res.Body); ; {
		m = ControlMove{}
		if err := dec.Decode(&m); err != nil {
			return m, fmt.Errorf("the server stopped answering before the control database had moved; the same command begins again: %w", err)
		}
		switch {
		case !m.Done:
			tell(m)
		case m.Failure != "":
			return m, errors.New(m.Failure)
		default:
			return m, nil
		}
	}
}
