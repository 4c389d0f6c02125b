package console

import (
	"strings"
	"testing"

	"haat/internal/api"
)

// shards are those of a fleet in a bad night.
func shards() []api.ShardSummary {
	ms := func(v float64) *float64 { return &v }
	climbing := make([]float64, 120)
	for i := range climbing {
		climbing[i] = 4
		if i > 80 {
			climbing[i] = float64(i-80) * 1000
		}
	}
	calm := make([]float64, 120)
	for i := range calm {
		calm[i] = float64(3 + i*7%5)
	}
	return []api.ShardSummary{
		{
			Name: "s1", Engine: "postgres", Address: "postgres://haat@db-1.shops.example:5432,db-2.shops.example:5432/shops?target_session_attrs=read-write", State: "open", Shops: 412_804, Capacity: 500_000,
			Replicas: []api.ReplicaSummary{
				{Name: "near", Address: "postgres://haat@db-2.shops.example/shops", State: "serving", Since: night, Lag: ms(4), Lags: calm},
				{Name: "far-away-in-another-building", Address: "postgres://haat@db-3.shops.example/shops", State: "late", Since: night, Why: "its newest beat is 39 s old", Lag: ms(39_000), Lags: climbing},
				{Name: "gone", Address: "postgres://haat@db-4.shops.example/shops", State: "unreachable", Since: night, Why: "dial tcp 10.0.0.24:5432: connect: connection refused"},
			},
			Load: &api.ShardLoad{Places: 32, Taken: 31, Waiting: 204, Refused: 1_284, Shops: 81, Hottest: []api.ShopUse{
				{Shop: "kabir-books", Name: "Kabir Books", Share: 71, Asked: 20_418, Waited: 19_002, Refused: 1_284, Over: true},
				{Shop: "the-house", Name: "The House of Slowly Hand-Woven Himalayan Shawls and Blankets, since 1911", Share: 9, Asked: 802},
			}},
		},
		{Name: "s2", Engine: "postgres", Address: "postgres://haat@db-9.shops.example/shops", State: "draining", Problem: "Cannot connect: connection refused.", Shops: 1},
		{Name: "s3", Engine: "sqlite", Address: "s3.db", State: "open", Shops: 14, Load: &api.ShardLoad{Places: 8}},
	}
}

func TestShards(t *testing.T) {
	rows := shardsPage(frame("shards", "Shards"), shards()).Rows
	if len(rows) != 3 || len(rows[0].Replicas) != 3 || len(rows[0].Hottest) != 2 {
		t.Fatalf("%+v", rows)
	}
	if r := rows[0]; r.State != "good" || r.Size != thousands(412_804)+" shops of "+thousands(500_000) || r.Load != "31 of 32 places taken, 204 wait, "+thousands(1_284)+" refused since the start" || !r.Hottest[0].Over || r.Hottest[0].Share != "71 %" {
		t.Errorf("%+v", r)
	}
	near, late, gone := rows[0].Replicas[0], rows[0].Replicas[1], rows[0].Replicas[2]
	if near.State != "good" || near.Lag != "4 ms" || near.Most != "7 ms" {
		t.Errorf("%+v", near)
	}
	if late.State != "warn" || late.Word != "Late" || late.Lag != "39 s" || !strings.Contains(late.Lags.Desc, "120 seconds, at most 39 s") {
		t.Errorf("%+v", late)
	}
	if gone.State != "bad" || gone.Word != "Unreachable" || gone.Lag != "unknown" || gone.Most != "" {
		t.Errorf("%+v", gone)
	}
	if r := rows[1]; r.State != "bad" || r.Size != "1 shop" || r.Load != "" || r.Problem == "" {
		t.Errorf("%+v", r)
	}
	if r := rows[2]; r.Engine != "SQLite" || r.Load != "0 of 8 places taken" || len(r.Replicas)+len(r.Hottest) != 0 {
		t.Errorf("%+v", r)
	}
}
