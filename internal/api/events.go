package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haat/internal/event"
	"haat/internal/op"
)

// AddEvents adds the stream of a shop's events. stop ends all streams.
func AddEvents(g *op.Registry, bus *event.Bus, stop <-chan struct{}) {
	doc := &huma.Operation{
		Description: "Server-sent events: id is the event's number in the shop, without gaps; data is {id, seq, topic, key, at, data}. " +
			"A client that reconnects says where it was in Last-Event-ID, or in ?after=, and misses nothing.",
		Parameters: []*huma.Param{
			{Name: "after", In: "query", Description: "Begin after the event of this number; from now on when absent", Schema: &huma.Schema{Type: "integer"}},
			{Name: "Last-Event-ID", In: "header", Schema: &huma.Schema{Type: "integer"}},
		},
		Responses: map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {}}}},
	}
	g.Handle(op.Info{Name: "event.follow", Method: "GET", Path: "/events", Summary: "Follow what happens in the shop", Role: op.Merchant, Kind: "read"}, doc,
		func(w http.ResponseWriter, r *http.Request, c op.Call) error {
			return Live(w, r, bus, c.Room, stop, nil)
		})
}
